/**
 * Which ranges should be split and merged by load: a pure function of averaged loads, the table and the reshapes that
 * there were.
 *
 * Between hot and cold lies a factor of four at least, and a range is cold only if its highest average of an hour was:
 * what is split is not merged in its next pause, what is merged must grow before it is split. A new leader has to watch
 * that hour again, so that it never takes for cold what it does not know. What reshapes have done is read from their
 * records, which outlive leaders.
 */
import type { Range } from '@chappe/ranges/range';
import { isEnded, type Reshape } from '@chappe/ranges/reshape';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { Held } from './balance.ts';
import type { DecisionSettings } from './decision-settings.ts';
import {
  backlogAgeMsMax,
  measuredCapacityShareMin,
  mergeGapMs,
  rangesMax,
  refusedRestMs,
  reshapesByLoadMax,
} from './limits.ts';
import { peakOf, rateOf, type RangeLoads } from './range-loads.ts';

export interface ShapeAction {
  readonly kind: 'split' | 'merge';
  /** Ids, in the order of their numbers. */
  readonly ranges: readonly string[];
  readonly cuts: readonly string[];
  readonly why: string;
}

export interface Shape {
  /** To be done now. */
  readonly actions: readonly ShapeAction[];
  /** Those that would follow. */
  readonly later: readonly ShapeAction[];
  readonly held: readonly Held[];
}

export interface ShapeView {
  readonly ranges: readonly Range[];
  /** Those that are alive, and leaving if they are drained. */
  readonly shards: readonly ShardInfo[];
  readonly loads: RangeLoads;
  /** All that are not forgotten. */
  readonly reshapes: readonly Reshape[];
  readonly pins: ReadonlyMap<string, string>;
  /** There are so many at least, besides so many for each shard: what the cluster began with. */
  readonly rangesLeast: number;
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly settings: DecisionSettings;
}

export function decideShape(view: ShapeView): Shape {
  const staying = view.shards.filter(({ isLeaving }) => isLeaving !== true);
  if (!view.settings.isReshaping)
    return nothing({
      what: 'splits and merges',
      why: 'only operators ask for them here (in a cluster: CHAPPE_RESHAPE_BY_LOAD=false)',
    });
  if (staying.length < 2)
    return nothing({ what: 'splits and merges', why: 'there is one shard: no range could go elsewhere' });
  const known = openRanges(view);
  const capacity = capacityOfAShard(staying, known);
  const splits = splitsOf(known, staying.length, capacity, view);
  // What is hot comes first; what is cold has time.
  const merges =
    splits.actions.length > 0 ? { actions: [], held: [] } : mergesOf(known, staying.length, capacity, view);
  return paced([...splits.actions, ...merges.actions], [...splits.held, ...merges.held], view);
}

function nothing(why: Held): Shape {
  return { actions: [], later: [], held: [why] };
}

/** A range that may be reshaped, with what is known of it. */
interface Known {
  readonly range: Range;
  readonly owner: ShardInfo;
  /** Commands a second that come in. */
  readonly rate: number;
  /** How long what waits there would take at that rate, at least. */
  readonly behindMs: number;
  readonly median: string | undefined;
}

/** Those that their owners get on with and that nobody reshapes. */
function openRanges({ ranges, shards, loads, reshapes }: ShapeView): Known[] {
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  const going = new Set(reshapes.filter((reshape) => !isEnded(reshape)).flatMap(({ old, made }) => [...old, ...made]));
  return ranges.flatMap((range): Known[] => {
    const owner = alive.get(range.owner ?? '');
    const load = owner?.load[range.id];
    if (owner === undefined || load?.nextOffset === undefined || load.problem !== undefined) return [];
    if (range.state !== 'active' || going.has(range.id)) return [];
    const rate = rateOf(loads, range.id);
    const waits = Math.max(0, (load.end ?? 0) - load.nextOffset);
    return [{ range, owner, rate, behindMs: (waits * 1000) / Math.max(1, rate), median: load.median }];
  });
}

/** As shards say, or as those do that are behind: what they do then is all that they can. */
function capacityOfAShard(staying: readonly ShardInfo[], known: readonly Known[]): number {
  const late = new Set(known.filter((range) => range.behindMs > backlogAgeMsMax).map(({ owner }) => owner.id));
  const measured = staying
    .filter(({ id, rate, capacity }) => late.has(id) && rate >= capacity * measuredCapacityShareMin)
    .map(({ rate, capacity }) => Math.min(rate, capacity));
  const capacities = measured.length > 0 ? measured : staying.map(({ capacity }) => capacity);
  return Math.max(1, capacities.reduce((sum, each) => sum + each, 0) / capacities.length);
}

function splitsOf(
  known: readonly Known[],
  shardCount: number,
  capacity: number,
  { ranges, loads, reshapes, nowMs, settings }: ShapeView,
): { readonly actions: ShapeAction[]; readonly held: Held[] } {
  const mean = known.reduce((sum, { rate }) => sum + rate, 0) / shardCount;
  const madeAtMs = madeTimes(reshapes);
  const actions: ShapeAction[] = [];
  const held: Held[] = [];
  for (const { range, rate, median } of known.toSorted((a, b) => b.rate - a.rate)) {
    const hot = whyHot(rate, mean, capacity, settings);
    if (hot === undefined) break;
    const hold = (why: string): void => void held.push({ what: range.id, why: `${hot}, but ${why}` });
    const watchedMs = loads.atMs - (loads.byRange.get(range.id)?.sinceMs ?? loads.atMs);
    const agedMs = nowMs - (madeAtMs.get(range.id) ?? -Infinity);
    const refused = lastRefused(range.id, reshapes, nowMs);
    if (refused !== undefined) hold(`a reshape of it was taken back: ${refused.problem ?? 'unknown'}`);
    else if (watchedMs < settings.averageMs) hold(`it was not watched for ${settings.averageMs / 1000} s yet`);
    else if (agedMs < settings.splitRestMs) hold(`it was made less than ${settings.splitRestMs / 1000} s ago`);
    else if (median === undefined) hold('half of its commands are of one contact, which no cut takes apart');
    else if (median <= range.start || median >= range.end) hold('its worker has not seen yet where its middle is');
    else if (ranges.length + actions.length >= rangesMax) hold(`there are ${rangesMax} ranges`);
    else
      actions.push({ kind: 'split', ranges: [range.id], cuts: [median], why: `${hot}; half of it is below ${median}` });
  }
  return { actions, held };
}

function whyHot(rate: number, mean: number, capacity: number, settings: DecisionSettings): string | undefined {
  const { hotShare, hotterThanMeanShare } = settings;
  const load = `${rounded(rate)} commands a second`;
  if (rate > capacity * hotShare)
    return `${load} are more than ${percent(hotShare)} of the ${rounded(capacity)} that a shard takes`;
  if (rate > capacity * hotterThanMeanShare && rate > mean)
    return `${load} are more than the ${rounded(mean)} that a shard has on average, and than ${percent(hotterThanMeanShare)} of what it takes`;
  return undefined;
}

function mergesOf(
  known: readonly Known[],
  shardCount: number,
  capacity: number,
  { ranges, loads, reshapes, pins, rangesLeast, nowMs, settings }: ShapeView,
): { readonly actions: ShapeAction[]; readonly held: Held[] } {
  const least = Math.max(rangesLeast, settings.rangesPerShardMin * shardCount);
  const there = ranges.filter(({ state }) => state === 'active' || state === 'filling').length;
  if (there <= least)
    return none(
      'merges',
      `there are ${there} ranges, and not fewer than ${least} are to be there for ${shardCount} shards`,
    );
  const lastMs = Math.max(-Infinity, ...reshapes.filter(isMerge).map(({ sinceMs }) => sinceMs));
  if (nowMs - lastMs < mergeGapMs) return none('merges', `the last one was less than ${mergeGapMs / 1000} s ago`);
  const sorted = known.toSorted((a, b) => (a.range.start < b.range.start ? -1 : 1));
  let coldest: { readonly pair: readonly [Range, Range]; readonly rate: number } | undefined;
  let unknown = 0;
  for (const [index, { range: right }] of sorted.entries()) {
    const left = sorted[index - 1]?.range;
    if (left === undefined || left.end !== right.start || left.store !== right.store) continue;
    if (pins.has(left.id) || pins.has(right.id)) continue;
    if ([left, right].some(({ id }) => lastRefused(id, reshapes, nowMs) !== undefined)) continue;
    const [leftPeak, rightPeak] = [peakOf(loads, left.id, settings), peakOf(loads, right.id, settings)];
    if (leftPeak === undefined || rightPeak === undefined) {
      unknown += 1;
      continue;
    }
    const rate = leftPeak + rightPeak;
    if (coldest === undefined || rate < coldest.rate) coldest = { pair: [left, right], rate };
  }
  const minutes = settings.peakMs / 60_000;
  const cold = capacity * settings.coldShare;
  if (coldest === undefined || coldest.rate > cold)
    return none(
      'merges',
      unknown > 0
        ? `${unknown} pairs of neighbours were not watched for ${minutes} min yet`
        : `no two neighbours stayed below ${rounded(cold)} commands a second for ${minutes} min`,
    );
  const why =
    `never more than ${rounded(coldest.rate)} commands a second together within ${minutes} min, ` +
    `and ${there} ranges are more than the ${least} that are needed`;
  return { actions: [{ kind: 'merge', ranges: coldest.pair.map(({ id }) => id), cuts: [], why }], held: [] };
}

function none(what: string, why: string): { readonly actions: ShapeAction[]; readonly held: Held[] } {
  return { actions: [], held: [{ what, why }] };
}

/** A few at a time, and none before what an operator wants. */
function paced(actions: readonly ShapeAction[], held: readonly Held[], { reshapes }: ShapeView): Shape {
  const going = reshapes.filter((reshape) => !isEnded(reshape));
  const waits = going.find(({ step }) => step === 'requested');
  const room = waits === undefined ? Math.max(0, reshapesByLoadMax - going.length) : 0;
  const later = actions.slice(room);
  if (later.length === 0) return { actions, later, held };
  const why =
    waits === undefined
      ? `${reshapesByLoadMax} reshapes go on at once`
      : `reshape ${waits.id} of ${waits.old.join(' and ')} comes first`;
  return { actions: actions.slice(0, room), later, held: [...held, { what: 'splits and merges', why }] };
}

/** When ranges were made by a reshape, by its record. */
function madeTimes(reshapes: readonly Reshape[]): Map<string, number> {
  return new Map(
    reshapes
      .filter(({ step }) => step === 'open' || step === 'active')
      .flatMap(({ made, sinceMs }) => made.map((id): [string, number] => [id, sinceMs])),
  );
}

function isMerge({ step, cuts }: Reshape): boolean {
  return cuts?.length === 0 && step !== 'refused' && step !== 'undone';
}

function lastRefused(rangeId: string, reshapes: readonly Reshape[], nowMs: number): Reshape | undefined {
  return reshapes.find(
    ({ step, old, sinceMs }) =>
      (step === 'refused' || step === 'undone') && old.includes(rangeId) && nowMs - sinceMs < refusedRestMs,
  );
}

function rounded(rate: number): string {
  return rate < 10 ? rate.toFixed(1) : String(Math.round(rate));
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
