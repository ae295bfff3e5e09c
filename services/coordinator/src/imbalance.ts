/** How far the load is from lying evenly, as one number for metrics. */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { count, fullness, placesOf } from './balance.ts';
import { costOf, rateOf, type RangeLoads } from './range-loads.ts';

/** What the fullest shard has of its capacity, by what all have of theirs; 1: none is fuller than the others. Undefined: no shard stays. */
export function imbalanceOf(
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  loads: RangeLoads,
): number | undefined {
  const { seats } = placesOf(shards);
  for (const range of ranges)
    if (range.state === 'active' || range.state === 'filling')
      count(seats.get(range.owner ?? ''), { range, load: rateOf(loads, range.id), cost: costOf(loads, range.id) });
  const all = [...seats.values()];
  const cost = all.reduce((sum, seat) => sum + seat.cost, 0);
  const capacity = all.reduce((sum, seat) => sum + seat.capacity, 0);
  if (cost === 0) return all.length === 0 ? undefined : 1;
  return Math.max(...all.map(fullness)) / (cost / capacity);
}
