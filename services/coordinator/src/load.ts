/**
 * How much there is to do, from what can be seen without asking any shard: the ends of the ranges' topics, looked at
 * again and again, and how far shards say that they have come. Pure.
 *
 * Arrivals are taken from the log and not from the shards: a shard that has too much to do reports its capacity.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { arrivalsWindowMs, backlogAgeMsMax, loadSamplesMax, measuredCapacityShareMin } from './limits.ts';

/** By topic: its end at each look, the oldest first. */
export type Ends = ReadonlyMap<string, readonly Sample[]>;

interface Sample {
  readonly atMs: number;
  readonly end: number;
}

export interface Load {
  /** Commands a second that came in. Undefined: not known of every range. */
  readonly arrivals: number | undefined;
  /** Commands that wait on ranges that get on. */
  readonly backlog: number;
  /** How long the oldest of them has waited at least. */
  readonly backlogAgeMs: number;
  /** Commands a second that a shard takes on average: as reported, or as measured at those that are behind. */
  readonly capacity: number;
  readonly isCapacityMeasured: boolean;
  /** Ranges that can be given to a shard of their own. */
  readonly ranges: number;
  /** Ranges that do not get on, whatever the number of shards: their backlog is not counted. */
  readonly blocked: number;
}

/** @param now ends of topics, as they are; one that is not in it could not be read, and is known as it was */
export function noteEnds(
  ends: Ends,
  topics: ReadonlySet<string>,
  now: ReadonlyMap<string, number>,
  atMs: number,
): Ends {
  return new Map(
    [...topics].map((topic) => {
      const before = ends.get(topic) ?? [];
      const end = now.get(topic);
      return [topic, end === undefined ? before : [...before, { atMs, end }].slice(-loadSamplesMax)];
    }),
  );
}

/** @param shards those that are alive */
export function loadOf(ends: Ends, ranges: readonly Range[], shards: readonly ShardInfo[], nowMs: number): Load {
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  const behind = new Set<string>();
  let arrivals: number | undefined = 0;
  let [backlog, backlogAgeMs, blocked] = [0, 0, 0];
  const open = ranges.filter(({ state }) => state !== 'sealed');
  for (const range of open) {
    const samples = ends.get(range.topic) ?? [];
    const rate = arrivalsOf(samples, nowMs);
    arrivals = rate === undefined || arrivals === undefined ? undefined : arrivals + rate;
    const load = alive.get(range.owner ?? '')?.load[range.id];
    if (load?.problem !== undefined) blocked += 1;
    if (load?.nextOffset === undefined || load.problem !== undefined) continue;
    const ageMs = ageOf(samples, load.nextOffset, nowMs);
    backlog += Math.max(0, (samples.at(-1)?.end ?? 0) - load.nextOffset - (load.doneBeyond ?? 0));
    backlogAgeMs = Math.max(backlogAgeMs, ageMs);
    if (ageMs > backlogAgeMsMax) behind.add(range.owner ?? '');
  }
  const staying = shards.filter(({ isLeaving }) => isLeaving !== true);
  const measured = measuredCapacities(staying, behind);
  return {
    arrivals,
    backlog,
    backlogAgeMs,
    capacity: mean(measured.length > 0 ? measured : staying.map(({ capacity }) => capacity)),
    isCapacityMeasured: measured.length > 0,
    ranges: open.filter(({ state }) => state !== 'draining').length,
    blocked,
  };
}

/** Commands a second over the last window; undefined before there are two looks. */
function arrivalsOf(samples: readonly Sample[], nowMs: number): number | undefined {
  const last = samples.at(-1);
  const first = samples.find(({ atMs }) => atMs >= nowMs - arrivalsWindowMs);
  if (last === undefined || first === undefined || first.atMs >= last.atMs) return undefined;
  return ((last.end - first.end) * 1000) / (last.atMs - first.atMs);
}

/** The command at `nextOffset` was there at the first look that saw an end beyond it. */
function ageOf(samples: readonly Sample[], nextOffset: number, nowMs: number): number {
  const seen = samples.find(({ end }) => end > nextOffset);
  return seen === undefined ? 0 : nowMs - seen.atMs;
}

/** A shard that is behind does all that it can: what it does then is its capacity, whatever it says. */
function measuredCapacities(staying: readonly ShardInfo[], behind: ReadonlySet<string>): number[] {
  return staying
    .filter(({ id, capacity, rate }) => behind.has(id) && rate >= capacity * measuredCapacityShareMin)
    .map(({ capacity, rate }) => Math.min(capacity, rate));
}

function mean(numbers: readonly number[]): number {
  return numbers.length === 0 ? 0 : numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
}
