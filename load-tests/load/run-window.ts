/**
 * One window of a load test: a plan is driven, everything that happens is noted, what waits is looked at once a
 * second, and at the end, when all of it has come to its end, the checker speaks.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { latest, type Driven, type Lateness } from './lateness.ts';
import { latencyOf, type Latency } from './latency.ts';
import { nowMs } from './monotonic-clock.ts';
import { countOf, type Plan } from './plan.ts';
import type { Stage } from './stage.ts';
import type { ProcessUsage } from './target.ts';
import { openSockets, trafficBetween, type Traffic } from './traffic.ts';
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
  /** Accepted, and ended otherwise than delivered; of those that failed by code. */
  readonly failed: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Shown per second, from the end of the ramp until the last message was handed over. */
  readonly shownPerSecond: number;
  /** From when a message was due until the answer, the first showing, the event `delivered`. Of replies: until the business has it. */
  readonly toAccepted: Latency | undefined;
  readonly toShown: Latency | undefined;
  readonly toDelivered: Latency | undefined;
  /** Until shown, of parts of the messages: a hot contact and the others, a hot business and the others. */
  readonly groups: Readonly<Record<string, Latency | undefined>>;
  readonly eventsPerMessage: number;
  /** CPU microseconds a message, and memory, of every process. */
  readonly processes: readonly ProcessFigures[];
  /** Payload bytes a message on the connections between parts: `sender > mariadb`; empty where there is no ss. */
  readonly traffic: Traffic;
  /** What the servers keep of a message, in bytes by kind. */
  readonly kept: Readonly<Record<string, number>>;
  readonly lateness: Lateness;
  /** Something was done to the system meanwhile: what waited is not judged. */
  readonly isDisturbed: boolean;
  /** Until everything had come to its end, after the last message. */
  readonly drainedMs: number;
  /** `atMs` from the start of the window. */
  readonly looks: readonly Look[];
  readonly bySecond: readonly Second[];
  /** The first of them; `problemCount` says how many there were. */
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

export interface Look extends Backlog {
  /** Resident bytes by process. */
  readonly resident: Readonly<Record<string, number>>;
}

/** One second of a window, by when messages were due. */
export interface Second {
  readonly second: number;
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface WindowOptions {
  /** What else happens while messages are sent; the window ends when both are done. */
  readonly during?: (notes: WindowRecord) => Promise<void>;
}

const lookMs = 1_000;
const drainLookMs = 50;
const drainMsMax = 60_000;
const ledgerMsMax = 20_000;
const problemsListedMax = 20;
/** The first of a window is not judged: queues and batches find their size. */
const rampMs = 2_000;

export async function runWindow(
  stage: Stage,
  name: string,
  plan: Plan,
  { during }: WindowOptions = {},
): Promise<WindowResult> {
  const first = stage.nextMessage;
  stage.nextMessage += countOf(plan);
  const notes = new WindowRecord(first, stage.businesses, plan.areReplies === true);
  stage.listen((topic, rows) => notes.take(topic, rows));
  const { record } = notes;

  const before = await stage.usage();
  const [socketsBefore = [], keptBefore] = [await openSockets(), await stage.target.kept()];
  const looks: Look[] = [];
  const [driven] = await lookingOn(Promise.all([drive(stage, plan, first), during?.(notes)]), async () =>
    looks.push(await look(stage, notes)),
  );
  const drainStartMs = nowMs();
  const isDrained = await drain(notes);
  const drainedMs = nowMs() - drainStartMs;
  const after = await stage.usage();
  const [socketsAfter = [], keptAfter] = [await openSockets(), await stage.target.kept()];
  if (plan.areReplies !== true) await readLedgers(stage, notes);

  const problems = [...record.problems()];
  const seconds = (notes.lastShownMs() - driven.startMs) / 1_000;
  const { pace } = plan;
  const isOpen = pace.kind === 'asReady' || pace.kind === 'behindCampaign';
  const perSecond = isOpen ? record.submitted / seconds : pace.perSecond;
  const steadyFromMs = driven.startMs + rampMs;
  return {
    name,
    plan,
    perSecond,
    seconds,
    submitted: record.submitted,
    accepted: record.accepted,
    refused: Object.fromEntries(notes.refusals),
    failed: record.failed,
    failures: Object.fromEntries(notes.failures),
    shownPerSecond: notes.shownPerSecond(steadyFromMs, driven.handedOverMs),
    toAccepted: latencyOf(notes.latencies((place) => record.answeredMs(place))),
    toShown: latencyOf(notes.latencies((place) => record.firstShownMs(place))),
    toDelivered: latencyOf(notes.latencies((place) => notes.deliveredMs.get(place))),
    groups: groupsOf(plan, notes),
    eventsPerMessage: notes.events / Math.max(1, record.accepted),
    processes: figuresOf(before, after, record.accepted),
    traffic: perMessage(trafficBetween(socketsBefore, socketsAfter, after), record.accepted),
    kept: perMessage(
      Object.fromEntries(Object.entries(keptAfter).map(([kind, bytes]) => [kind, bytes - (keptBefore[kind] ?? 0)])),
      record.accepted,
    ),
    lateness: driven.lateness,
    isDisturbed: during !== undefined,
    drainedMs,
    looks: looks.map((one) => ({ ...one, atMs: one.atMs - driven.startMs })),
    bySecond: secondsOf(notes, driven.startMs),
    problems: problems.slice(0, problemsListedMax),
    problemCount: problems.length,
    verdict: verdictOf({
      backlog: looks.filter(({ atMs }) => atMs >= steadyFromMs && atMs <= driven.handedOverMs),
      perSecond,
      isPaced: plan.pace.kind === 'steadily' && during === undefined,
      lateness: driven.lateness,
      refused: notes.refusals,
      failed: record.failed,
      failures: notes.failures,
      isDrained,
      problems: problems.length,
    }),
  };
}

async function drive(stage: Stage, plan: Plan, firstMessage: number): Promise<Driven> {
  if (plan.areReplies !== true) return stage.driver.ask<Driven>({ kind: 'drive', plan, firstMessage });
  const startMs = nowMs();
  const request = { kind: 'reply', plan, firstMessage, startMs } as const;
  return latest(await Promise.all(stage.fleets.map((fleet) => fleet.ask<Driven>(request))));
}

/** @param onLook once a second until the work is done */
async function lookingOn<T>(work: Promise<T>, onLook: () => Promise<unknown>): Promise<T> {
  const over = new AbortController();
  const ended = work.finally(() => over.abort());
  const looking = (async () => {
    for (;;) {
      await pause(lookMs, undefined, { signal: over.signal }).catch(() => undefined);
      if (over.signal.aborted) return;
      await onLook();
    }
  })();
  const result = await ended;
  await looking;
  return result;
}

async function look(stage: Stage, { record }: WindowRecord): Promise<Look> {
  const { ranges } = await stage.admin.cluster.listRanges({}).catch(() => ({ ranges: [] }));
  const usages = await stage.usage();
  return {
    atMs: nowMs(),
    lag: ranges.reduce((sum, { lag }) => sum + Number(lag), 0),
    unanswered: record.submitted - record.accepted - record.refused,
    unshown: record.accepted - record.failed - record.shown,
    untold: record.untold,
    resident: Object.fromEntries(usages.map(({ name, residentBytes }) => [name, residentBytes])),
  };
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

/** What waits in the log and with the senders, and not in front of a gateway that is handed a campaign at once. */
export const fewFromAccepted = 'the few, from accepted on';

function groupsOf({ pace, people, businessShares }: Plan, notes: WindowRecord): Record<string, Latency | undefined> {
  const of = (isIn: (contact: number, business: number) => boolean): Latency | undefined =>
    latencyOf(notes.latencies((place) => notes.record.firstShownMs(place), isIn));
  if (people.kind === 'apart' && pace.kind === 'behindCampaign') {
    const { record } = notes;
    const isApart = (contact: number): boolean => contact >= people.count;
    const shownMs = (place: number): number => record.firstShownMs(place);
    return {
      'the campaign': of((contact) => !isApart(contact)),
      'the few': of(isApart),
      [fewFromAccepted]: latencyOf(notes.latencies(shownMs, isApart, (place) => record.answeredMs(place))),
    };
  }
  const isMixed = businessShares.filter((share) => share > 0).length > 1;
  if (people.kind === 'hot' && people.share > 0)
    return { 'the hot contact': of((contact) => contact === 0), 'the others': of((contact) => contact !== 0) };
  if (isMixed && (businessShares[0] ?? 0) > 0)
    return { 'the hot business': of((_, business) => business === 0), 'the others': of((_, business) => business > 0) };
  return {};
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

function perMessage(bytes: Readonly<Record<string, number>>, messages: number): Record<string, number> {
  return Object.fromEntries(Object.entries(bytes).map(([name, value]) => [name, value / Math.max(1, messages)]));
}

/** A process that started meanwhile has used all of its time in the window. */
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
