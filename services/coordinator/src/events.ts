/** The coordinator's facts as metrics and log lines. */
import type { Reshape } from '@chappe/ranges/reshape';
import { Counter, Histogram } from 'prom-client';
import type { Telemetry } from '@chappe/telemetry/telemetry';

export interface CoordinatorEvents {
  leads(): void;
  clusterMade(ranges: number): void;
  assigned(range: string, shard: string, epoch: number): void;
  /** A reshape came to a step, so long after the one before. */
  reshaped(reshape: Reshape, tookMs: number): void;
  /** Records lay beyond the seal of a topic. A person must look how they came there. */
  lateRecords(range: string, count: number): void;
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
  const reshapes = new Counter({
    name: 'chappe_coordinator_reshapes_total',
    help: 'Reshapes that came to an end',
    labelNames: ['outcome'],
    registers: [metrics],
  });
  const steps = new Histogram({
    name: 'chappe_coordinator_reshape_step_seconds',
    help: 'How long a reshape took from the step before to this one',
    labelNames: ['step'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 5, 30],
    registers: [metrics],
  });
  const late = new Counter({
    name: 'chappe_coordinator_late_records_total',
    help: 'Records beyond the seal of a replaced range, moved to the new one',
    registers: [metrics],
  });
  return {
    leads: () => log.info('leads'),
    clusterMade: (ranges) => log.info({ ranges }, 'made the routing table of a new cluster'),
    assigned: (range, shard, epoch) => {
      assignments.inc();
      log.info({ range, shard, epoch }, 'range assigned');
    },
    reshaped: ({ id, step, old, made, problem }, tookMs) => {
      steps.observe({ step }, tookMs / 1000);
      if (step === 'active' || step === 'refused' || step === 'undone') reshapes.inc({ outcome: step });
      log.info({ reshape: id, step, old, made, tookMs, ...(problem === undefined ? {} : { problem }) }, 'reshape');
    },
    lateRecords: (range, count) => {
      late.inc(count);
      log.error({ range, count }, 'records beyond the seal of a replaced range were moved to the new one');
    },
    failed: (error) => {
      failures.inc();
      log.warn({ err: error }, 'could not bring the cluster in line, trying again');
    },
  };
}
