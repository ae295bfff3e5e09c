/** The routing table of a new cluster, made once. */
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { topicOf, type Range } from '@chappe/ranges/range';

/**
 * One range between each two bounds, e.g. `['3', '4']` makes ['', 3), [3, 4) and [4, end).
 *
 * @throws Error if a bound is not digits or they do not ascend
 */
export function initialRanges(bounds: readonly string[], store: string): Range[] {
  const starts = ['', ...bounds];
  const ends = [...bounds, endOfNumbers];
  return starts.map((start, index) => {
    const end = ends[index] ?? endOfNumbers;
    if (!/^\d*$/.test(start) || start >= end)
      throw new Error(`the bounds must be digits and ascend: ${bounds.join(', ')}`);
    const id = `r${index + 1}`;
    return {
      id,
      start,
      end,
      state: 'active',
      owner: undefined,
      ownerInstance: undefined,
      epoch: 0,
      topic: topicOf(id),
      store,
    };
  });
}
