/**
 * One window of a load test: a plan is driven, everything that happens is noted, what waits is looked at once a
 * second, and at the end, when all of it has come to its end, the checker speaks.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Column } from '../checker/column.ts';
import type { Driven, Lateness } from './driver.ts';
import { latencyOf, type Latency } from './latency.ts';
import { nowMs } from './monotonic-clock.ts';
import { countOf, type Plan } from './plan.ts';
import type { Stage } from './stage.ts';
import type { ProcessUsage } from './target.ts';
import { verdictOf, type Backlog, type Verdict } from './verdict.ts';
import { WindowRecord } from './window-record.ts';

export interface WindowResult {
  readonly name: string;
  readonly plan: Plan;
  /** What was asked for; of a plan without a schedule, what was reached. */
  readonly perSecond: number;
  /** From the first message to the last one's showing. */
  readonly seconds: number;
  readonly submitted: number;
  readonly accepted: number;
  /** By code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Shown in the second after the ramp until the last was handed over, per second. */
  readonly shownPerSecond: number;
  /** From when a message was due until the answer, the first showing, the event `delivered`. */
  readonly toAccepted: Latency | undefined;
  readonly toShown: Latency | undefined;
  readonly toDelivered: Latency | undefined;
  readonly eventsPerMessage: number;
  /** CPU microseconds a message, and memory, of every process. */
  readonly processes: readonly ProcessFigures[];
  readonly lateness: Lateness;
  /** Until everything had come to its end, after the last message. */
  readonly drainedMs: number;
  readonly backlog: readonly Backlog[];
  readonly bySecond: readonly Second[];
  readonly problems: readonly string[];
  readonly problemCount: number;
  readonly verdict: Verdict;
}

export interface ProcessFigures {
  readonly name: string;
  readonly part: string;
  readonly cpuUs: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** One second of a window, by when messages were due. */
export interface Second {
  readonly second: number;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const lookMs = 1_000;
const drainLookMs = 50;
const drainMsMax = 60_000;
const ledgerMsMax = 20_000;
const problemsListedMax = 20;
/** The first of a window is not looked at: queues and batches find their size. */
const rampMs = 2_000;

export async function runWindow(stage: Stage, name: string, plan: Plan): Promise<WindowResult> {
  const count = countOf(plan);
  const first = stage.nextMessage;
  stage.nextMessage += count;
  const notes = new WindowRecord(first, stage.businesses);
  stage.listen((topic, rows) => notes.take(topic, rows));
  const before = await stage.usage();

  const backlog: Backlog[] = [];
  const driving = stage.driver.ask<Driven>({ kind: 'drive', plan, firstMessage: first });
  const looking = lookUntil(driving, stage, notes, backlog);
  const driven = await driving;
  await looking;
  const drainStartMs = nowMs();
  const isDrained = await drain(notes);
  const drainedMs = nowMs() - drainStartMs;
  const after = await stage.usage();
  await readLedgers(stage, notes);

  const { record } = notes;
  const problems = [...record.problems()];
  const lastShownMs = last(record.submitted, (place) => record.firstShownMs(place));
  const seconds = (lastShownMs - driven.startMs) / 1_000;
  const perSecond = plan.pace.kind === 'asReady' ? count / seconds : plan.pace.perSecond;
  const steadyFrom = driven.startMs + rampMs;
  const judged = {
    backlog: backlog.filter(({ atMs }) => atMs >= steadyFrom && atMs <= driven.handedOverMs),
    perSecond,
    lateness: driven.lateness,
    refused: record.refused,
    isDrained,
    problems: problems.length,
  };
  return {
    name,
    plan,
    perSecond,
    seconds,
    submitted: record.submitted,
    accepted: record.accepted,
    refused: Object.fromEntries(notes.refusals),
    shownPerSecond: shownBetween(record.submitted, record.firstShownMs.bind(record), steadyFrom, driven.handedOverMs),
    toAccepted: latencyOf(since(notes.dueMs, (place) => record.answeredMs(place))),
    toShown: latencyOf(since(notes.dueMs, (place) => record.firstShownMs(place))),
    toDelivered: latencyOf(since(notes.dueMs, (place) => notes.deliveredMs.get(place))),
    eventsPerMessage: notes.events / Math.max(1, record.accepted),
    processes: figuresOf(before, after, record.accepted),
    lateness: driven.lateness,
    drainedMs,
    backlog: backlog.map((look) => ({ ...look, atMs: look.atMs - driven.startMs })),
    bySecond: secondsOf(notes, driven.startMs),
    problems: problems.slice(0, problemsListedMax),
    problemCount: problems.length,
    verdict: verdictOf(judged),
  };
}

/** What waits where, once a second, until the driver is done. */
async function lookUntil(
  driving: Promise<unknown>,
  stage: Stage,
  { record }: WindowRecord,
  backlog: Backlog[],
): Promise<void> {
  let isOver = false;
  const over = driving.then(
    () => (isOver = true),
    () => (isOver = true),
  );
  for (;;) {
    await Promise.race([over, pause(lookMs)]);
    if (isOver) return;
    const { ranges } = await stage.admin.cluster.listRanges({}).catch(() => ({ ranges: [] }));
    backlog.push({
      atMs: nowMs(),
      lag: ranges.reduce((sum, { lag }) => sum + Number(lag), 0),
      unanswered: record.submitted - record.accepted - record.refused,
      unshown: record.accepted - record.shown,
      untold: record.shown - record.delivered,
    });
  }
}

async function drain({ record }: WindowRecord): Promise<boolean> {
  const endMs = nowMs() + drainMsMax;
  while (record.ended < record.accepted || record.accepted + record.refused < record.submitted) {
    if (nowMs() > endMs) return false;
    await pause(drainLookMs);
  }
  return true;
}

/** Billing may be a little behind the events. */
async function readLedgers(stage: Stage, { record }: WindowRecord): Promise<void> {
  const endMs = nowMs() + ledgerMsMax;
  do {
    await stage.reader.ask({ kind: 'readLedgers' });
    if (record.isSettled()) return;
    await pause(drainLookMs);
  } while (nowMs() < endMs);
}

function since(dueMs: Column, atMs: (place: number) => number): Float64Array {
  const values = dueMs.toArray();
  for (const [place, due] of values.entries()) values[place] = atMs(place) - due;
  return values.filter((value) => Number.isFinite(value));
}

function last(count: number, atMs: (place: number) => number): number {
  let latest = -Infinity;
  for (let place = 0; place < count; place += 1) if (atMs(place) > latest) latest = atMs(place);
  return latest;
}

function shownBetween(count: number, atMs: (place: number) => number, fromMs: number, toMs: number): number {
  let shown = 0;
  for (let place = 0; place < count; place += 1) {
    const at = atMs(place);
    if (at >= fromMs && at < toMs) shown += 1;
  }
  return toMs > fromMs ? (shown * 1_000) / (toMs - fromMs) : 0;
}

function secondsOf({ record, dueMs }: WindowRecord, startMs: number): Second[] {
  const latencies = new Map<number, number[]>();
  for (let place = 0; place < record.submitted; place += 1) {
    const latencyMs = record.firstShownMs(place) - dueMs.get(place);
    if (!Number.isFinite(latencyMs)) continue;
    const second = Math.floor((dueMs.get(place) - startMs) / 1_000);
    const values = latencies.get(second) ?? [];
    values.push(latencyMs);
    latencies.set(second, values);
  }
  return [...latencies].map(([second, values]) => {
    const latency = latencyOf(Float64Array.from(values));
    return { second, count: values.length, p50Ms: latency?.p50Ms ?? 0, p99Ms: latency?.p99Ms ?? 0 };
  });
}

function figuresOf(
  before: readonly ProcessUsage[],
  after: readonly ProcessUsage[],
  messages: number,
): ProcessFigures[] {
  const cpuBefore = new Map(before.map(({ pid, cpuMs }) => [pid, cpuMs]));
  return after.map(({ name, part, pid, cpuMs, residentBytes, peakBytes }) => ({
    name,
    part,
    cpuUs: ((cpuMs - (cpuBefore.get(pid) ?? 0)) * 1_000) / Math.max(1, messages),
    residentBytes,
    peakBytes,
  }));
}
