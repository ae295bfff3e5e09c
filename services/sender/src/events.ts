/** The sender's facts as metrics and log lines; the only place that makes either of them. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Logger } from '@chappe/telemetry/telemetry';
import type { Changes } from './changes.ts';
import type { AlarmCause, WorkerEnd } from './range-worker.ts';

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
  /** A device has acknowledged an envelope, so long after it was pushed. */
  acknowledged(afterMs: number): void;
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
  readonly stuckRanges: () => number;
  readonly stoppedRanges: (cause: AlarmCause) => number;
  /** Of the oldest command that is not done, on the log's clock; undefined: there is none. */
  readonly oldestAppendTimeMs: () => number | undefined;
  /** Commands in its ranges' topics that are not done; undefined: not looked yet. */
  readonly lagCommands: () => number | undefined;
  /** Commands that were read and are not done. */
  readonly readAheadCommands: () => number;
  /** Businesses that have more than their share of a range, counted in each. */
  readonly businessesAboveShare: () => number;
  /** Commands that wait until a person has looked; undefined: not looked yet. */
  readonly heldCommands: () => number | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const alarmKinds = ['range_stopped', 'range_failed', 'clock', 'dead_record', 'command_held'] as const;
const alarmCauses: readonly AlarmCause[] = ['rolled_back', 'log', 'closed'];

/** The metrics of one process: shards that share it (standalone) share them, told apart by `shard`. */
export function openSenderEvents(shard: string, logger: Logger, metrics: Registry, gauges: SenderGauges): SenderEvents {
  const counter = (name: string, help: string, labels: string[]): Counter =>
    (metrics.getSingleMetric(name) as Counter | undefined) ??
    new Counter({ name, help, labelNames: ['shard', ...labels], registers: [metrics] });
  const histogram = (name: string, help: string, buckets: number[], labels: string[] = []): Histogram =>
    (metrics.getSingleMetric(name) as Histogram | undefined) ??
    new Histogram({ name, help, buckets, labelNames: ['shard', ...labels], registers: [metrics] });
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
  const stages = histogram(
    'chappe_sender_stage_seconds',
    'How long messages took from one stage to another',
    [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 20, 60, 600, 3_600, 86_400],
    ['stage'],
  );
  const stage = {
    encrypted: stages.labels({ shard, stage: 'encrypted' }),
    acknowledged: stages.labels({ shard, stage: 'acknowledged' }),
    delivered: stages.labels({ shard, stage: 'delivered' }),
  };
  const gauge = (name: string, help: string, read: () => number | undefined, labels: Record<string, string> = {}) =>
    addReader(metrics, { name, help, labels: { shard, ...labels }, read });
  gauge('chappe_sender_ranges', 'Ranges that are worked on', gauges.ranges);
  gauge('chappe_sender_stuck_ranges', 'Ranges that do not get on and are tried again', gauges.stuckRanges);
  for (const cause of alarmCauses)
    gauge('chappe_sender_stopped_ranges', 'Stopped until a person has looked', () => gauges.stoppedRanges(cause), {
      cause,
    });
  gauge('chappe_sender_attached_devices', 'Devices attached through relays', gauges.attachedDevices);
  gauge('chappe_sender_lag_commands', 'Commands in range topics that are not done', gauges.lagCommands);
  gauge('chappe_sender_read_ahead_commands', 'Commands that were read and are not done', gauges.readAheadCommands);
  gauge(
    'chappe_sender_businesses_above_share',
    'Businesses that are refused in a range until they have less of it, counted in each',
    gauges.businessesAboveShare,
  );
  gauge('chappe_sender_held_commands', 'Commands that wait until a person has looked', gauges.heldCommands);
  gauge('chappe_sender_oldest_command_seconds', 'Age of the oldest command that is not done', () => {
    const oldestMs = gauges.oldestAppendTimeMs();
    return oldestMs === undefined ? 0 : Math.max(0, gauges.now() - oldestMs) / 1_000;
  });
  // At 0 from the start on: what is first seen at 1 is no increase to Prometheus.
  for (const kind of alarmKinds) alarms.inc({ shard, alarm: kind }, 0);
  refused.inc({ shard }, 0);
  const alarm = (kind: (typeof alarmKinds)[number], fields: object, message: string): void => {
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
      const nowMs = gauges.now();
      for (const acceptedMs of changes.acceptedMs.sent)
        stage.encrypted.observe(Math.max(0, nowMs - acceptedMs) / 1_000);
      for (const acceptedMs of changes.acceptedMs.delivered)
        stage.delivered.observe(Math.max(0, nowMs - acceptedMs) / 1_000);
    },
    acknowledged: (afterMs) => stage.acknowledged.observe(afterMs / 1_000),
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

interface Reader {
  readonly name: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined: nothing is known, and nothing is shown. */
  readonly read: () => number | undefined;
}

const readersOf = new WeakMap<Gauge, Map<string, Reader>>();

/** Shards of one process share its gauges, each with its own reader. */
function addReader(metrics: Registry, reader: Reader): void {
  const { name, help, labels } = reader;
  const existing = metrics.getSingleMetric(name) as Gauge | undefined;
  const readers = (existing === undefined ? undefined : readersOf.get(existing)) ?? new Map<string, Reader>();
  readers.set(JSON.stringify(labels), reader);
  if (existing !== undefined) return;
  const made = new Gauge({
    name,
    help,
    labelNames: Object.keys(labels),
    registers: [metrics],
    collect() {
      for (const each of readers.values()) {
        const value = each.read();
        if (value !== undefined) this.set(each.labels, value);
      }
    },
  });
  readersOf.set(made, readers);
}
