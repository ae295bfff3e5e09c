/** The coordinator's facts as metrics and log lines. */
import { Counter } from 'prom-client';
import type { Telemetry } from '@chappe/telemetry/telemetry';

export interface CoordinatorEvents {
  leads(): void;
  clusterMade(ranges: number): void;
  assigned(range: string, shard: string, epoch: number): void;
  failed(error: unknown): void;
}

export function openCoordinatorEvents({ log, metrics }: Telemetry): CoordinatorEvents {
  const assignments = new Counter({
    name: 'chappe_coordinator_assignments_total',
    help: 'Ranges that were given to a shard',
    registers: [metrics],
  });
  const failures = new Counter({
    name: 'chappe_coordinator_failures_total',
    help: 'Looks at the cluster that failed and were repeated',
    registers: [metrics],
  });
  return {
    leads: () => log.info('leads'),
    clusterMade: (ranges) => log.info({ ranges }, 'made the routing table of a new cluster'),
    assigned: (range, shard, epoch) => {
      assignments.inc();
      log.info({ range, shard, epoch }, 'range assigned');
    },
    failed: (error) => {
      failures.inc();
      log.warn({ err: error }, 'could not bring the cluster in line, trying again');
    },
  };
}
