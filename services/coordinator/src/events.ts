/** The coordinator's facts as metrics and log lines. */
import type { Reshape } from '@chappe/ranges/reshape';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import type { ClusterFigures } from './cluster-figures.ts';

export interface CoordinatorEvents {
  leads(): void;
  /** It leads no more: what it said of the cluster is another's to say. */
  stoodDown(): void;
  clusterMade(ranges: number): void;
  assigned(range: string, shard: string, epoch: number): void;
  /** A reshape came to a step, so long after the one before. */
  reshaped(reshape: Reshape, tookMs: number): void;
  /** Records lay beyond the seal of a topic. A person must look how they came there. */
  lateRecords(range: string, count: number): void;
  /** Of its own accord, by load. */
  decided(kind: 'split' | 'merge' | 'move'): void;
  /** What the fullest shard has, by what it should have; undefined: there is none. */
  planned(imbalance: number | undefined): void;
  /** A look at everything has ended. */
  looked(figures: ClusterFigures): void;
  failed(error: unknown): void;
}

export function openCoordinatorEvents({ log, metrics }: Telemetry): CoordinatorEvents {
  const registers = [metrics];
  const leading = new Gauge({ name: 'chappe_coordinator_leading', help: '1: it leads; 0: it stands by', registers });
  const assignments = new Counter({
    name: 'chappe_coordinator_assignments_total',
    help: 'Ranges that were given to a shard',
    registers,
  });
  const failures = new Counter({
    name: 'chappe_coordinator_failures_total',
    help: 'Looks at the cluster that failed and were repeated',
    registers,
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
  const decisions = new Counter({
    name: 'chappe_coordinator_decisions_total',
    help: 'Splits, merges and moves that the coordinator decided on by load',
    labelNames: ['kind'],
    registers,
  });
  const imbalance = new Gauge({
    name: 'chappe_coordinator_imbalance_ratio',
    help: 'What the fullest shard has of its capacity, by what all shards have of theirs; of the leader alone',
    registers,
  });
  const lookedAt = new Gauge({
    name: 'chappe_coordinator_looked_timestamp_seconds',
    help: 'When the leader last saw everything, in seconds since 1970',
    registers,
  });
  const ranges = new Gauge({
    name: 'chappe_coordinator_ranges',
    help: 'Ranges, by state and by whether somebody works on them',
    labelNames: ['state', 'ownership'],
    registers,
  });
  const zoneGauge = (name: string, help: string): Gauge =>
    new Gauge({ name, help, labelNames: ['shard_zone'], registers });
  const zoneShards = zoneGauge('chappe_coordinator_zone_shards', 'Living shards of a zone');
  const zoneRanges = zoneGauge('chappe_coordinator_zone_ranges', 'Ranges that the shards of a zone work on');
  const zoneCapacity = zoneGauge(
    'chappe_coordinator_zone_capacity_commands',
    'Commands a second that the staying shards of a zone can take',
  );
  const zoneLoad = zoneGauge('chappe_coordinator_zone_load_commands', 'Commands a second that a zone does now');
  const ofTheLeader = [ranges, zoneShards, zoneRanges, zoneCapacity, zoneLoad];
  const forget = (): void => {
    for (const gauge of ofTheLeader) gauge.reset();
    // A gauge without labels shows 0 from its making on; of a standby it says nothing.
    lookedAt.remove();
  };
  for (const kind of ['split', 'merge', 'move']) decisions.inc({ kind }, 0);
  imbalance.remove();
  leading.set(0);
  forget();
  return {
    leads: () => {
      leading.set(1);
      log.info('leads');
    },
    stoodDown: () => {
      leading.set(0);
      forget();
      imbalance.remove();
      log.warn('leads no more');
    },
    clusterMade: (count) => log.info({ ranges: count }, 'made the routing table of a new cluster'),
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
    decided: (kind) => decisions.inc({ kind }),
    planned: (ratio) => (ratio === undefined ? imbalance.remove() : imbalance.set(ratio)),
    looked: (figures) => {
      forget();
      lookedAt.setToCurrentTime();
      // Shown at 0 as well, so that what alerts look at is there before there is reason for one.
      for (const ownership of ['served', 'stuck', 'taking', 'stopped', 'ownerless'])
        ranges.set({ state: 'active', ownership }, 0);
      for (const [state, counts] of figures.ranges)
        for (const [ownership, count] of counts) ranges.set({ state, ownership }, count);
      for (const { zone, shards, ranges: held, capacity, rate } of figures.zones) {
        zoneShards.set({ shard_zone: zone }, shards);
        zoneRanges.set({ shard_zone: zone }, held);
        zoneCapacity.set({ shard_zone: zone }, capacity);
        zoneLoad.set({ shard_zone: zone }, rate);
      }
    },
    failed: (error) => {
      failures.inc();
      log.warn({ err: error }, 'could not bring the cluster in line, trying again');
    },
  };
}
