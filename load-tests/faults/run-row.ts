/**
 * One row: load, fault, its end, more load, then everything drains and the checker speaks.
 */
import type { Range as RangeStatus } from '@chappe/proto/v1/cluster_service';
import { setTimeout as pause } from 'node:timers/promises';
import type { FaultCluster } from './fault-cluster.ts';
import { Load } from './load.ts';
import { MemoryWatch } from './memory-watch.ts';
import type { Growth } from './memory-watch.ts';
import type { People } from './people.ts';
import { markerOf } from './secret-scan.ts';
import type { Row } from './row.ts';
import { holds, latencyOf, longestAnswerMs, recoveryOf, type Latency, type Recovery } from './recovery.ts';
import { takeoverOf } from './takeover.ts';
import type { Takeover } from './takeover.ts';

export interface RunSettings {
  readonly perSecond: number;
  readonly seed: number;
  readonly random: () => number;
  /** Of the row's business. */
  readonly number: string;
  readonly signal: AbortSignal;
  /** Absent: as the row wants it, else a minute. */
  readonly drainMsMax?: number;
  /** How long it waits until the load is shown soon. Absent: half a minute. */
  readonly warmMsMax?: number;
}

export interface RowResult {
  readonly no: number;
  readonly name: string;
  readonly injection: string;
  readonly seed: number;
  readonly handedOver: number;
  readonly accepted: number;
  readonly shown: number;
  /** By code. */
  readonly refused: Readonly<Record<string, number>>;
  /** From the fault to its end, and to the moment when everything is ready again. */
  readonly healedMs: number;
  readonly readyMs: number;
  readonly recovery: Recovery | undefined;
  /** Of the ranges that the fault touches; undefined: none came to a new owner. */
  readonly takeover: Takeover | undefined;
  /** Turns that range workers could not finish and made again. */
  readonly turnsRefused: number;
  readonly memory: Growth;
  /** Messages that were handed over and accepted while the fault was in force. */
  readonly answeredDuring: number;
  /** The longest that a client waited for an answer, of what was unanswered at the fault or handed over after it. */
  readonly answerMaxMs: number;
  /** From handing over to the first showing: before the fault, and while it lasts in ranges it should not touch. */
  readonly before: Latency | undefined;
  readonly othersDuring: Latency | undefined;
  /** What was handed over while the fault was in force, in any range. */
  readonly during: Latency | undefined;
  /** Messages shown for the first time in a second: before the fault, and while it was in force. */
  readonly shownPerSecond: { readonly before: number; readonly during: number };
  /** Envelopes that were pushed beyond those shown; undefined where a counter was lost with its process. */
  readonly wireRepeats: number | undefined;
  readonly undecryptable: Readonly<Record<string, number>>;
  readonly identityChanges: number;
  /** Undefined: not within the limit. */
  readonly drainedMs: number | undefined;
  /** What broke a promise. */
  readonly violations: readonly string[];
  /** What is not as the row wants it. */
  readonly missed: readonly string[];
  readonly notes: readonly string[];
}

const beforeMs = 4_000;
const defaultFaultMs = 5_000;
const defaultAfterMs = 6_000;
const drainMsMax = 60_000;
const pushedMetric = 'chappe_relay_pushed_envelopes_total';
const refusedTurnsMetric = 'chappe_sender_turns_refused_total';

export async function runRow(
  row: Row,
  cluster: FaultCluster,
  people: People,
  settings: RunSettings,
): Promise<RowResult> {
  const { number, random, signal } = settings;
  const perSecond = row.perSecond ?? settings.perSecond;
  const notes: string[] = [];
  const note = (text: string): void => void notes.push(text);
  await row.prepare?.({ cluster, people, note });
  const business = row.settings ?? {};
  const marker = markerOf(settings.seed);
  await using load = await Load.prepare(cluster.admin, people, {
    gateway: cluster.addressesOf('gateway'),
    number,
    perSecond,
    random,
    business,
    marker,
  });
  let affected: readonly RangeStatus[] = await cluster.ranges();
  let inForceAt = Infinity;
  const context = {
    cluster,
    people,
    load,
    random,
    affect: async (sender: string): Promise<void> => {
      affected = (await cluster.ranges()).filter(({ owner }) => owner === sender);
    },
    inForce: () => void (inForceAt = performance.now()),
    note,
  };
  const pushedBefore = await cluster.count(pushedMetric);
  const refusedTurnsBefore = await cluster.count(refusedTurnsMetric);
  load.start();
  // The first messages start sessions, and new processes are slow: what is measured comes after them.
  if (!(await load.warm(signal, settings.warmMsMax)))
    note('the load was not shown within a second before the fault: a busy machine');
  const warmAt = performance.now();
  await pause(beforeMs * (0.75 + random() / 2), undefined, { signal });
  await using memory = await MemoryWatch.start(cluster);
  const faultAt = performance.now();
  const faultAtMs = Date.now();
  await row.inject(context);
  inForceAt = Math.min(inForceAt, performance.now());
  await pause(row.faultMs ?? defaultFaultMs, undefined, { signal });
  const healingAt = performance.now();
  await row.heal(context);
  const healedMs = performance.now() - faultAt;
  if (row.ruins !== true)
    await cluster.ready((problems) => note(`15 s after the fault was ended: ${problems.slice(0, 3).join('; ')}`));
  const readyMs = performance.now() - faultAt;
  await pause(row.afterMs ?? defaultAfterMs, undefined, { signal });
  await load.stop();
  const drainedMs = await load.drained(settings.drainMsMax ?? row.drainMsMax ?? drainMsMax);

  const { tally } = load;
  const problems = tally.problems();
  const forgiven = problems.filter((text) => row.forgives?.test(text) === true).length;
  if (forgiven > 0) note(`${forgiven} broken promises are forgiven: what the server lost is lost, or told again`);
  const pushed = (await cluster.count(pushedMetric)) - pushedBefore;
  const passages = tally.passages();
  const warm = passages.filter(({ submittedMs }) => submittedMs > warmAt && submittedMs < faultAt - 500);
  const shownPerSecond = (fromMs: number, untilMs: number): number =>
    (passages.filter(({ shownMs = 0 }) => shownMs >= fromMs && shownMs < untilMs).length * 1_000) / (untilMs - fromMs);
  const others = passages.filter(
    ({ contact, submittedMs }) =>
      submittedMs > faultAt && submittedMs < healingAt && !affected.some((range) => holds(range, contact)),
  );
  const result: RowResult = {
    no: row.no,
    name: row.name,
    injection: row.injection,
    seed: settings.seed,
    handedOver: tally.submitted,
    accepted: tally.accepted,
    shown: tally.shown,
    refused: Object.fromEntries(load.refusals),
    healedMs,
    readyMs,
    answeredDuring: passages.filter(
      ({ submittedMs, answeredMs = 0 }) => submittedMs > inForceAt && answeredMs > inForceAt && answeredMs < healingAt,
    ).length,
    recovery: recoveryOf(affected, passages, faultAt),
    takeover: takeoverOf(
      await cluster.said(faultAtMs),
      affected.map(({ id }) => id),
      faultAtMs,
    ),
    // A process that died took its count along.
    turnsRefused: Math.max(0, (await cluster.count(refusedTurnsMetric)) - refusedTurnsBefore),
    memory: memory.growth(),
    answerMaxMs: longestAnswerMs(passages, faultAt),
    before: latencyOf(warm),
    othersDuring: latencyOf(others),
    during: latencyOf(passages.filter(({ submittedMs }) => submittedMs > inForceAt && submittedMs < healingAt)),
    shownPerSecond: { before: shownPerSecond(warmAt, faultAt), during: shownPerSecond(inForceAt, healingAt) },
    wireRepeats: pushed >= tally.shown ? pushed - tally.shown : undefined,
    undecryptable: Object.fromEntries(load.undecryptable),
    identityChanges: load.identityChanges.length,
    drainedMs,
    violations: problems.filter((text) => row.forgives?.test(text) !== true),
    missed: [],
    notes,
  };
  await row.cleanUp?.(context);
  return { ...result, missed: row.acceptance(result) };
}
