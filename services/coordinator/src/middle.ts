/**
 * Where a range is cut when nobody said where: so that half of its load is on each side, by what its worker
 * reports; without a report, in the middle of its digits.
 */
import { endOfNumbers } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

/** Longer than any number (ITU-T E.164 allows 15 digits): a bound never needs more. */
const digitsMax = 15;

/** Undefined: nothing lies between its bounds. */
export function middleOf(range: Range, shards: ReadonlyMap<string, ShardInfo>): string | undefined {
  const median = shards.get(range.owner ?? '')?.load[range.id]?.median;
  if (median !== undefined && median > range.start && median < range.end) return median;
  return middleOfDigits(range.start, range.end);
}

/** The shortest digits halfway between two bounds. */
export function middleOfDigits(start: string, end: string): string | undefined {
  for (let length = 1; length <= digitsMax; length += 1) {
    const low = BigInt(start.slice(0, length).padEnd(length, '0') || '0');
    const high = end === endOfNumbers ? 10n ** BigInt(length) : BigInt(end.slice(0, length).padEnd(length, '0'));
    const middle = ((low + high) / 2n).toString().padStart(length, '0');
    if (middle.length === length && middle > start && middle < end) return middle;
  }
  return undefined;
}
