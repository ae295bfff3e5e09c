/**
 * The routing table: which range a number belongs to. Immutable and pure.
 *
 * Invariant: the ranges that producers append to cover every number exactly once, from `''` to
 * `endOfNumbers`, with no gap and no overlap. Ranges that were replaced stay in the table until
 * they are worked off, and no look-up finds them.
 */
import { compareBounds, endOfNumbers, inInterval } from '@chappe/numbers/phone-number';
import { incarnationOf, isAppendable, topicOf, type Range } from './range.ts';
import type { StoreInfo } from './store-info.ts';

export class RoutingTable {
  /** All ranges, replaced ones too, by start and id. */
  readonly ranges: readonly Range[];
  /** Counts changes of bounds and topics; it only grows. */
  readonly generation: number;
  readonly #appendable: readonly Range[];
  readonly #byId: ReadonlyMap<string, Range>;

  private constructor(ranges: readonly Range[], generation: number) {
    this.ranges = ranges.toSorted((a, b) => compareBounds(a.start, b.start) || compareBounds(a.id, b.id));
    this.generation = generation;
    this.#byId = new Map(ranges.map((range) => [range.id, range]));
    this.#appendable = this.ranges.filter(isAppendable);
    if (this.#byId.size !== ranges.length) throw new Error('two ranges have the same id');
    assertCovering(this.#appendable);
  }

  /** @throws Error saying where, if the appendable ranges leave a gap or overlap */
  static of(ranges: readonly Range[], generation: number): RoutingTable {
    return new RoutingTable(ranges, generation);
  }

  /** The one range to which commands of this number are appended. */
  find(number: string): Range {
    let low = 0;
    let high = this.#appendable.length - 1;
    // Invariant: the last range that starts at or before the number is in [low, high].
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const start = this.#appendable[middle]?.start ?? '';
      if (start <= number) low = middle;
      else high = middle - 1;
    }
    const range = this.#appendable[low];
    if (range === undefined || !inInterval(number, range.start, range.end))
      throw new Error('no range holds what is not digits');
    return range;
  }

  /**
   * The range in which things are done for this number now: while that of `find` only fills, the one that
   * it replaces.
   */
  working(number: string): Range {
    const range = this.find(number);
    if (range.state !== 'filling') return range;
    const replaced = (range.replaces ?? []).map((id) => this.#byId.get(id));
    return replaced.find((old) => old !== undefined && inInterval(number, old.start, old.end)) ?? range;
  }

  byId(id: string): Range | undefined {
    return this.#byId.get(id);
  }
}

/**
 * Cuts the numbers of some ranges anew: a split, a merge and a moved bound are this one operation. The new ranges
 * are filled until the old ones are drained, each by the shard that works on the old one in which it begins, which
 * knows first when that is so.
 *
 * @param cuts where they end: ascending digits, strictly inside; none makes one range of them
 * @param ids of the new ranges: one more than cuts
 * @param to the store that the rows go to. Absent: they stay where they are
 * @throws Error if the old ones do not touch or rest in different stores, or a cut is not inside
 */
export function recut(
  old: readonly Range[],
  cuts: readonly string[],
  ids: readonly string[],
  to?: Pick<StoreInfo, 'id' | 'incarnation'>,
): Range[] {
  const sorted = old.toSorted((a, b) => compareBounds(a.start, b.start));
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) throw new Error('no range is named');
  for (const [index, right] of sorted.entries()) {
    const left = sorted[index - 1];
    if (left === undefined) continue;
    if (left.end !== right.start) throw new Error(`ranges ${left.id} and ${right.id} do not touch`);
    if (left.store !== right.store)
      throw new Error(`ranges ${left.id} and ${right.id} rest in different stores: move one of them first`);
  }
  const name = sorted.map(({ id }) => id).join(' and ');
  for (const [index, at] of cuts.entries()) {
    if (!/^\d+$/.test(at) || at <= (cuts[index - 1] ?? first.start) || at >= last.end) {
      throw new Error(`${name} [${first.start}, ${last.end}) cannot be cut at ${at}`);
    }
  }
  const epoch = Math.max(...sorted.map((range) => range.epoch)) + 1;
  // Of the old and of the new store: what was sealed or counted in neither comes again.
  const incarnation = Math.max(...sorted.map(incarnationOf), to?.incarnation ?? 0);
  return [first.start, ...cuts].map((start, index) => {
    const id = ids[index];
    if (id === undefined) throw new Error('a new range has no id');
    const beginsIn = sorted.findLast((range) => range.start <= start) ?? first;
    return {
      id,
      start,
      end: cuts[index] ?? last.end,
      state: 'filling',
      owner: beginsIn.owner,
      ownerInstance: beginsIn.ownerInstance,
      epoch,
      topic: topicOf(id),
      store: to?.id ?? first.store,
      incarnation,
      ...(to === undefined ? {} : { copiesFrom: first.store }),
      replaces: sorted.map((range) => range.id),
    };
  });
}

function assertCovering(sorted: readonly Range[]): void {
  let reached = '';
  let last = 'the beginning';
  for (const { id, start, end } of sorted) {
    if (start > reached) throw new Error(`no range holds [${reached}, ${start}), between ${last} and ${id}`);
    if (start < reached) throw new Error(`ranges ${last} and ${id} overlap from ${start}`);
    if (end <= start) throw new Error(`range ${id} is empty`);
    reached = end;
    last = id;
  }
  if (reached !== endOfNumbers) throw new Error(`no range holds [${reached}, ${endOfNumbers}), after ${last}`);
}
