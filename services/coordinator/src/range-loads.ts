/**
 * What each range gets to do, from what shards say of it: commands a second that come in, averaged, and the highest
 * that average was. Pure; the memory of whoever leads.
 *
 * What comes in is how far the log's end has come where the shard knows it, so a range that is behind shows what it
 * should do and not what it does. New ranges are taken to have what those had that they replace, in equal parts.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { DecisionSettings } from './decision-settings.ts';
import { idleRangeCost, peakSpans } from './limits.ts';

export interface RangeLoads {
  /** Since when loads are watched, on the clock of `noteLoads`; undefined: not yet. */
  readonly sinceMs: number | undefined;
  readonly atMs: number;
  readonly byRange: ReadonlyMap<string, AveragedLoad>;
}

export interface AveragedLoad {
  /** Commands a second. */
  readonly rate: number;
  readonly sinceMs: number;
  /** The highest rate in each span of time, the oldest first. */
  readonly peaks: readonly Peak[];
  /** The offset that commands had reached, and when. */
  readonly position: number | undefined;
  readonly atMs: number;
  /** How much of the average is measured, 0 to 1: before the second look it is what was reported. */
  readonly weight: number;
}

interface Peak {
  readonly fromMs: number;
  readonly rate: number;
}

export const noLoads: RangeLoads = { sinceMs: undefined, atMs: 0, byRange: new Map() };

/**
 * @param shards those that are alive
 * @param atMs on a clock that only grows
 */
export function noteLoads(
  before: RangeLoads,
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  atMs: number,
  settings: Pick<DecisionSettings, 'averageMs' | 'peakMs'>,
): RangeLoads {
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  const siblings = Map.groupBy(ranges, ({ replaces }) => replaces?.join() ?? '');
  const byRange = new Map<string, AveragedLoad>();
  for (const range of ranges) {
    if (range.state === 'sealed') continue;
    const reported = alive.get(range.owner ?? '')?.load[range.id];
    const position = reported?.nextOffset === undefined ? undefined : Math.max(reported.nextOffset, reported.end ?? 0);
    const known = before.byRange.get(range.id);
    if (known !== undefined) {
      byRange.set(range.id, averaged(known, position, atMs, settings));
      continue;
    }
    const parents = range.replaces?.flatMap((id) => before.byRange.get(id) ?? []) ?? [];
    const inherited = parents.reduce((sum, { rate }) => sum + rate, 0);
    const parts = siblings.get(range.replaces?.join() ?? '')?.length ?? 1;
    const isHeir = parents.length > 0;
    byRange.set(range.id, {
      rate: isHeir ? inherited / parts : (reported?.rate ?? 0),
      sinceMs: atMs,
      peaks: [],
      position,
      atMs,
      weight: isHeir ? 1 : 0,
    });
  }
  return { sinceMs: before.sinceMs ?? atMs, atMs, byRange };
}

function averaged(
  known: AveragedLoad,
  position: number | undefined,
  atMs: number,
  { averageMs, peakMs }: Pick<DecisionSettings, 'averageMs' | 'peakMs'>,
): AveragedLoad {
  if (position === undefined || atMs <= known.atMs) return known;
  if (known.position === undefined) return { ...known, position, atMs };
  const passedMs = atMs - known.atMs;
  // A new owner may have seen less of the log's end than the one before.
  const now = (Math.max(0, position - known.position) * 1000) / passedMs;
  const kept = Math.exp(-passedMs / averageMs);
  const weight = 1 - (1 - known.weight) * kept;
  const rate = (known.rate * known.weight * kept + now * (1 - kept)) / weight;
  // The first measurements of an average are single ones.
  const isSettled = atMs - known.sinceMs >= averageMs;
  const peaks = isSettled ? withPeak(known.peaks, rate, atMs, peakMs) : known.peaks;
  return { rate, sinceMs: known.sinceMs, peaks, position: Math.max(position, known.position), atMs, weight };
}

function withPeak(peaks: readonly Peak[], rate: number, atMs: number, peakMs: number): readonly Peak[] {
  const spanMs = peakMs / peakSpans;
  const last = peaks.at(-1);
  if (last !== undefined && atMs - last.fromMs < spanMs)
    return rate <= last.rate ? peaks : [...peaks.slice(0, -1), { fromMs: last.fromMs, rate }];
  return [...peaks.filter(({ fromMs }) => fromMs + spanMs > atMs - peakMs), { fromMs: atMs, rate }];
}

/** Commands a second; 0: nothing is known of it. */
export function rateOf({ byRange }: RangeLoads, rangeId: string): number {
  return byRange.get(rangeId)?.rate ?? 0;
}

/** What it weighs where it is. */
export function costOf(loads: RangeLoads, rangeId: string): number {
  return rateOf(loads, rangeId) + idleRangeCost;
}

/** The highest rate within the last `peakMs`; undefined: it was not watched so long. */
export function peakOf(
  { byRange, atMs }: RangeLoads,
  rangeId: string,
  { peakMs, averageMs }: Pick<DecisionSettings, 'averageMs' | 'peakMs'>,
): number | undefined {
  const load = byRange.get(rangeId);
  if (load === undefined || atMs - load.sinceMs < peakMs + averageMs) return undefined;
  return Math.max(...load.peaks.map(({ rate }) => rate), load.rate);
}
