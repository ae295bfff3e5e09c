/** What the leader does about the number of senders, their nodes and zones, as metrics and log lines. */
import { Counter, Gauge } from 'prom-client';
import type { Drainer } from '@chappe/ranges/drain';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import type { Load } from './load.ts';
import type { Redundancy } from './redundancy.ts';
import type { ScalingReason } from './scaling.ts';

export interface PlacementEvents {
  /** A look at the copies of topics: how many topics there are of each kind. */
  sawCopies(topics: Readonly<Record<Redundancy, number>>): void;
  /** A look at the load. */
  decided(desired: number, replicas: number, reason: ScalingReason, load: Load): void;
  drainBegun(shard: string, by: Drainer, why: string): void;
  drainTakenBack(shard: string, by: Drainer, why: string): void;
  /** For how long the sender that is to go has kept ranges; 0: none is to go. */
  leavingFor(seconds: number): void;
  calledOff(shard: string, ranges: number): void;
  replicasSet(replicas: number, before: number): void;
  zoneTold(shard: string, zone: string): void;
  failed(what: string, error: unknown): void;
  /** It leads no more: what it said is another's to say. */
  ended(): void;
}

export function openPlacementEvents({ log, metrics }: Telemetry): PlacementEvents {
  const registers = [metrics];
  const topics = new Gauge({
    name: 'chappe_coordinator_topics',
    help: 'Topics, by how many of their copies are in sync and where those lie; of the leader alone',
    labelNames: ['copies'],
    registers,
  });
  const desiredSenders = new Gauge({
    name: 'chappe_coordinator_desired_senders',
    help: 'How many senders there should be, by what decides it; of the leader alone',
    labelNames: ['reason'],
    registers,
  });
  const backlogAge = new Gauge({
    name: 'chappe_coordinator_backlog_age_seconds',
    help: 'How long the oldest command of a range that gets on has waited at least; of the leader alone',
    registers,
  });
  const arrivals = new Gauge({
    name: 'chappe_coordinator_arrivals_commands',
    help: 'Commands a second that come in; of the leader alone',
    registers,
  });
  const leavingFor = new Gauge({
    name: 'chappe_coordinator_scale_down_drain_seconds',
    help: 'For how long the sender that is to go has kept ranges; 0: none is to go',
    registers,
  });
  const steps = new Counter({
    name: 'chappe_coordinator_scale_steps_total',
    help: 'Senders that were added or removed, and removals that were called off',
    labelNames: ['step'],
    registers,
  });
  const drains = new Counter({
    name: 'chappe_coordinator_drains_total',
    help: 'Shards that the coordinator emptied, and those that may have ranges again, by why',
    labelNames: ['by', 'change'],
    registers,
  });
  const failures = new Counter({
    name: 'chappe_coordinator_placement_failures_total',
    help: 'Looks at the load or at Kubernetes that failed and were repeated',
    registers,
  });
  let said = '';
  let inOneZone = 0;
  const forget = (): void => {
    desiredSenders.reset();
    // Gauges without labels show 0 from their making on; of a standby they say nothing.
    backlogAge.remove();
    arrivals.remove();
  };
  forget();
  return {
    sawCopies: (counts) => {
      for (const [copies, count] of Object.entries(counts)) topics.set({ copies }, count);
      if (counts.one_zone > 0 && inOneZone === 0)
        log.error({ topics: counts.one_zone }, 'the copies of topics that are in sync lie in one zone');
      inOneZone = counts.one_zone;
    },
    decided: (desired, replicas, reason, load) => {
      forget();
      desiredSenders.set({ reason }, desired);
      backlogAge.set(load.backlogAgeMs / 1000);
      if (load.arrivals !== undefined) arrivals.set(load.arrivals);
      const now = `${desired} of ${replicas}`;
      if (said !== now && desired !== replicas)
        log.info({ desired, replicas, reason, ...load }, 'there should be more senders, or fewer');
      said = now;
    },
    drainBegun: (shard, by, why) => {
      drains.inc({ by, change: 'begun' });
      log.info({ shard, by, why }, 'shard is emptied');
    },
    drainTakenBack: (shard, by, why) => {
      drains.inc({ by, change: 'taken_back' });
      log.info({ shard, by, why }, 'shard may have ranges again');
    },
    leavingFor: (seconds) => leavingFor.set(seconds),
    calledOff: (shard, ranges) => {
      steps.inc({ step: 'called_off' });
      log.error({ shard, ranges }, 'a sender that was to go does not get rid of its ranges, and stays');
    },
    replicasSet: (replicas, before) => {
      steps.inc({ step: replicas > before ? 'added' : 'removed' });
      log.info({ replicas, before }, 'number of senders changed');
    },
    zoneTold: (shard, zone) => log.info({ shard, zone }, 'shard was told its zone'),
    failed: (what, error) => {
      failures.inc();
      log.warn({ err: error }, what);
    },
    ended: () => {
      forget();
      topics.reset();
      leavingFor.set(0);
      said = '';
      inOneZone = 0;
    },
  };
}
