/**
 * How long a fault was felt, by what people see: for each affected range, the longest time after it in which messages
 * waited and none was shown.
 */
import type { Range as RangeStatus } from '@chappe/proto/v1/cluster_service';
import type { Passage } from '../checker/tally.ts';
import { quantile } from './quantile.ts';

export interface Recovery {
  readonly ranges: number;
  readonly p50Ms: number;
  readonly maxMs: number;
  /** When the longest wait began, after the fault. */
  readonly maxAtMs: number;
  /** Ranges to which messages were handed over after the fault and nothing was shown any more. */
  readonly missing: readonly string[];
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function recoveryOf(
  ranges: readonly RangeStatus[],
  passages: readonly Passage[],
  faultAt: number,
): Recovery | undefined {
  const silences: Silence[] = [];
  const missing: string[] = [];
  for (const range of ranges) {
    const own = passages.filter(({ contact }) => holds(range, contact));
    if (!own.some(({ submittedMs }) => submittedMs > faultAt)) continue;
    if (own.every(({ shownMs }) => shownMs === undefined || shownMs < faultAt)) missing.push(range.id);
    else silences.push(longestSilence(own, faultAt));
  }
  if (silences.length === 0 && missing.length === 0) return undefined;
  const [longest] = silences.toSorted((a, b) => b.ms - a.ms);
  return {
    ranges: silences.length,
    p50Ms: quantile(
      silences.map(({ ms }) => ms),
      0.5,
    ),
    maxMs: longest?.ms ?? 0,
    maxAtMs: (longest?.sinceMs ?? faultAt) - faultAt,
    missing,
  };
}

interface Silence {
  readonly sinceMs: number;
  readonly ms: number;
}

/** The longest time after the fault in which messages waited and none was shown. */
function longestSilence(passages: readonly Passage[], faultAt: number): Silence {
  const shown = passages.flatMap(({ shownMs }) => (shownMs !== undefined && shownMs > faultAt ? [shownMs] : []));
  let longest: Silence = { sinceMs: faultAt, ms: 0 };
  let lastMs = faultAt;
  for (const nextMs of shown.toSorted((a, b) => a - b)) {
    const waiting = passages.filter(({ submittedMs, shownMs = Infinity }) => submittedMs < nextMs && shownMs >= nextMs);
    const oldestMs = Math.min(...waiting.map(({ submittedMs }) => submittedMs));
    const sinceMs = Math.max(lastMs, oldestMs);
    if (nextMs - sinceMs > longest.ms) longest = { sinceMs, ms: nextMs - sinceMs };
    lastMs = nextMs;
  }
  return longest;
}

export function longestAnswerMs(passages: readonly Passage[], faultAt: number): number {
  const waits = passages.flatMap(({ submittedMs, answeredMs }) =>
    answeredMs === undefined || answeredMs < faultAt ? [] : [answeredMs - Math.max(submittedMs, faultAt)],
  );
  return quantile(waits, 1);
}

export function latencyOf(passages: readonly Passage[]): Latency | undefined {
  const times = passages.flatMap(({ submittedMs, shownMs }) => (shownMs === undefined ? [] : [shownMs - submittedMs]));
  return times.length === 0 ? undefined : { p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

export function holds({ start, end }: RangeStatus, contact: string): boolean {
  const digits = contact.slice(1);
  return digits >= start && (end === '' || digits < end);
}
