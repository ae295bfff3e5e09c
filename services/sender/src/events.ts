/** The sender's facts as metrics and log lines; the only place that makes either of them. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Logger } from '@chappe/telemetry/telemetry';
import type { Changes } from './changes.ts';
import type { WorkerEnd } from './range-worker.ts';

export interface TurnTimes {
  readonly prepareMs: number;
  readonly commitMs: number;
}

export interface SenderEvents {
  workerStarted(range: string, epoch: number, nextOffset: number): void;
  workerEnded(range: string, end: WorkerEnd): void;
  claimRefused(range: string, epoch: number, rowEpoch: number): void;
  turnCommitted(range: string, commands: number, changes: Changes, times: TurnTimes): void;
  turnRefused(range: string, error: unknown): void;
  /** @param logAheadMs of append times over this process's clock; negative: they are behind */
  clocksApart(range: string, logAheadMs: number): void;
  deadRecord(range: string, offset: number, reason: string): void;
  commandHeld(range: string, offset: number, reason: string): void;
  undecryptable(range: string, reason: string): void;
  shardProblem(message: string, error: unknown): void;
}

export interface SenderGauges {
  readonly ranges: () => number;
  readonly attachedDevices: () => number;
}

/** The metrics of one process: shards that share it (standalone) share them, told apart by `shard`. */
export function openSenderEvents(shard: string, logger: Logger, metrics: Registry, gauges: SenderGauges): SenderEvents {
  const counter = (name: string, help: string, labels: string[]): Counter =>
    (metrics.getSingleMetric(name) as Counter | undefined) ??
    new Counter({ name, help, labelNames: ['shard', ...labels], registers: [metrics] });
  const histogram = (name: string, help: string, buckets: number[]): Histogram =>
    (metrics.getSingleMetric(name) as Histogram | undefined) ??
    new Histogram({ name, help, buckets, labelNames: ['shard'], registers: [metrics] });
  const commands = counter('chappe_sender_commands_total', 'Commands of range topics that were done', []);
  const accepted = counter('chappe_sender_accepted_total', 'Messages that were let through', []);
  const ended = counter('chappe_sender_ended_total', 'Messages that reached a state which ends waiting', [
    'state',
    'reason',
  ]);
  const dropped = counter('chappe_sender_dropped_total', 'Commands without effect', ['reason']);
  const refused = counter('chappe_sender_turns_refused_total', 'Turns that are made again', []);
  const alarms = counter('chappe_sender_alarms_total', 'What a person must look at', ['alarm']);
  const unreadable = counter('chappe_sender_undecryptable_total', 'Envelopes that devices could not read', ['reason']);
  const size = histogram('chappe_sender_batch_commands', 'Commands in a turn', [1, 5, 20, 50, 100, 200, 500]);
  const prepare = histogram(
    'chappe_sender_prepare_seconds',
    'A turn up to its transaction',
    [0.002, 0.01, 0.05, 0.2, 1, 5],
  );
  const commit = histogram('chappe_sender_commit_seconds', "A turn's transaction", [0.001, 0.005, 0.02, 0.1, 0.5, 2]);
  gauge(metrics, 'chappe_sender_ranges', 'Ranges that are worked on', shard, gauges.ranges);
  gauge(metrics, 'chappe_sender_attached_devices', 'Devices attached through relays', shard, gauges.attachedDevices);
  const alarm = (kind: string, fields: object, message: string): void => {
    alarms.inc({ shard, alarm: kind });
    logger.error({ shard, ...fields }, message);
  };

  return {
    workerStarted: (range, epoch, nextOffset) => logger.info({ shard, range, epoch, nextOffset }, 'range taken'),
    workerEnded: (range, end) => {
      if (end.kind === 'alarm') alarm('range_stopped', { range, reason: end.reason }, 'range stopped');
      else if (end.kind === 'failed')
        alarm('range_failed', { range, reason: end.reason }, 'range failed, it is taken again');
      else logger.info({ shard, range, end: end.kind }, 'range given up');
    },
    claimRefused: (range, epoch, rowEpoch) => logger.warn({ shard, range, epoch, rowEpoch }, 'claim refused'),
    turnCommitted: (_range, count, changes, times) => {
      commands.inc({ shard }, count);
      accepted.inc({ shard }, changes.acceptedCount);
      for (const { state, code } of changes.ended) ended.inc({ shard, state, reason: code });
      for (const [reason, drops] of changes.drops) dropped.inc({ shard, reason }, drops);
      size.observe({ shard }, count);
      prepare.observe({ shard }, times.prepareMs / 1000);
      commit.observe({ shard }, times.commitMs / 1000);
    },
    turnRefused: (range, error) => {
      refused.inc({ shard });
      logger.warn({ shard, range, err: error }, 'turn refused, it is made again');
    },
    clocksApart: (range, logAheadMs) =>
      alarm('clock', { range, logAheadMs }, "append times and this process's clock are apart"),
    deadRecord: (range, offset, reason) => alarm('dead_record', { range, offset, reason }, 'a record was passed over'),
    commandHeld: (range, offset, reason) => alarm('command_held', { range, offset, reason }, 'a contact is held'),
    undecryptable: (_range, reason) => unreadable.inc({ shard, reason: knownReasons.has(reason) ? reason : 'other' }),
    shardProblem: (message, error) => logger.warn({ shard, err: error }, message),
  };
}

/** What handsets say; anything else would let a device make labels. */
const knownReasons: ReadonlySet<string> = new Set(['no_session', 'duplicate', 'invalid']);

const gaugeReaders = new WeakMap<Gauge, Map<string, () => number>>();

function gauge(metrics: Registry, name: string, help: string, shard: string, read: () => number): void {
  const existing = metrics.getSingleMetric(name) as Gauge | undefined;
  const readers = (existing === undefined ? undefined : gaugeReaders.get(existing)) ?? new Map<string, () => number>();
  readers.set(shard, read);
  if (existing !== undefined) return;
  const made = new Gauge({
    name,
    help,
    labelNames: ['shard'],
    registers: [metrics],
    collect() {
      for (const [id, value] of readers) this.set({ shard: id }, value());
    },
  });
  gaugeReaders.set(made, readers);
}
