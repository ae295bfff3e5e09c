/**
 * Something that is done to the cluster while messages are handed over, shown, answered and charged: what was felt of it,
 * and what the checker, which asks no database, says about every promise.
 */
import type { AdminClient } from '@chappe/client/admin-client';
import { setTimeout as pause } from 'node:timers/promises';
import { Load } from '../faults/load.ts';
import type { People } from '../faults/people.ts';
import { latencyOf, longestAnswerMs, recoveryOf, type Latency, type Recovery } from '../faults/recovery.ts';
import { seededRandom } from '../faults/seeded-random.ts';
import { markerOf } from '../faults/secret-scan.ts';
import { gateway } from './releases.ts';

export interface LoadFigures {
  readonly perSecond: number;
  readonly handedOver: number;
  readonly accepted: number;
  readonly shown: number;
  /** By code: requests that the client library gave up. */
  readonly refused: Readonly<Record<string, number>>;
  /** Single requests, each over a new connection and never tried again. */
  readonly probes: number;
  readonly probesFailed: readonly string[];
  /** What was done took so long. */
  readonly actedMs: number;
  readonly before: Latency | undefined;
  readonly during: Latency | undefined;
  readonly recovery: Recovery | undefined;
  readonly answerMaxMs: number;
  /** Undefined: not within the limit. */
  readonly drainedMs: number | undefined;
  /** Broken promises, by name. */
  readonly violations: readonly string[];
}

export interface LoadContext {
  readonly admin: AdminClient;
  readonly people: People;
  readonly perSecond: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

const beforeMs = 4_000;
const defaultAfterMs = 6_000;
const drainMsMax = 90_000;
/** New processes compile their code first, on two processors that everything shares. */
const warmMsMax = 60_000;
const probeIntervalMs = 500;

let businesses = 100;

/** @param afterMs of load after the act; absent: 6 s */
export async function underLoad(
  context: LoadContext,
  act: (load: Load) => Promise<void>,
  { afterMs = defaultAfterMs, isProbed = false }: { readonly afterMs?: number; readonly isProbed?: boolean } = {},
): Promise<LoadFigures> {
  const { admin, people, perSecond, seed, signal } = context;
  businesses += 1;
  const random = seededRandom(seed + businesses);
  await using load = await Load.prepare(admin, people, {
    gateway,
    number: `+33199009${businesses}`,
    perSecond,
    random,
    marker: markerOf(seed),
    business: {},
  });
  const { ranges } = await admin.cluster.listRanges({});
  load.start();
  await load.warm(signal, warmMsMax);
  const warmAt = performance.now();
  await pause(beforeMs, undefined, { signal });
  const actAt = performance.now();
  const probing = new AbortController();
  const probes = isProbed ? probeUntil(load, probing.signal) : Promise.resolve([]);
  await act(load);
  const actedMs = performance.now() - actAt;
  await pause(afterMs, undefined, { signal });
  probing.abort();
  const answers = await probes;
  await load.stop();
  const drainedMs = await load.drained(drainMsMax);
  const passages = load.tally.passages();
  return {
    perSecond,
    handedOver: load.tally.submitted,
    accepted: load.tally.accepted,
    shown: load.tally.shown,
    refused: Object.fromEntries(load.refusals),
    probes: answers.length,
    probesFailed: answers.filter((answer) => answer !== undefined),
    actedMs,
    before: latencyOf(passages.filter(({ submittedMs }) => submittedMs > warmAt && submittedMs < actAt - 500)),
    during: latencyOf(passages.filter(({ submittedMs }) => submittedMs >= actAt)),
    recovery: recoveryOf(ranges, passages, actAt),
    answerMaxMs: longestAnswerMs(passages, actAt),
    drainedMs,
    violations: load.tally.problems(),
  };
}

/** @returns of each probe why it failed, or undefined */
async function probeUntil(load: Load, signal: AbortSignal): Promise<(string | undefined)[]> {
  const answers: Promise<string | undefined>[] = [];
  while (!signal.aborted) {
    answers.push(
      load.probe().then((refusal) => (refusal === undefined ? undefined : `${refusal.reason}: ${refusal.message}`)),
    );
    await pause(probeIntervalMs);
  }
  return Promise.all(answers);
}

/** What is not as it must be: a broken promise, and a request that was given up. */
export function complaintsAbout({ violations, refused, drainedMs, probesFailed }: LoadFigures): string[] {
  return [
    ...violations,
    ...Object.entries(refused).map(([reason, count]) => `${count} requests failed: ${reason}`),
    ...(probesFailed.length > 0 ? [`${probesFailed.length} single requests failed: ${probesFailed[0] ?? ''}`] : []),
    ...(drainedMs === undefined ? [`not everything came to its end within ${drainMsMax / 1_000} s`] : []),
  ];
}
