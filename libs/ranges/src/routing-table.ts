/**
 * The routing table: which range a number belongs to. Immutable and pure.
 *
 * Invariant: the ranges that producers append to cover every number exactly once, from `''` to
 * `endOfNumbers`, with no gap and no overlap. Ranges that were replaced stay in the table until
 * they are worked off, and no look-up finds them.
 */
import { compareBounds, endOfNumbers, inInterval } from '@chappe/numbers/phone-number';
import { isAppendable, topicOf, type Range } from './range.ts';

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

  byId(id: string): Range | undefined {
    return this.#byId.get(id);
  }
}

/**
 * Cuts a range in two, which are filled until the old one is drained.
 *
 * @throws Error if `at` is not digits strictly inside
 */
export function split(range: Range, at: string, ids: readonly [string, string]): [Range, Range] {
  if (!/^\d+$/.test(at) || at <= range.start || at >= range.end) {
    throw new Error(`range ${range.id} [${range.start}, ${range.end}) cannot be cut at ${at}`);
  }
  return [successor(range, ids[0], range.start, at), successor(range, ids[1], at, range.end)];
}

/** @throws Error if they do not touch or rest in different stores (rows do not move) */
export function merge(a: Range, b: Range, id: string): Range {
  const [left, right] = compareBounds(a.start, b.start) < 0 ? [a, b] : [b, a];
  if (left.end !== right.start) throw new Error(`ranges ${a.id} and ${b.id} do not touch`);
  if (left.store !== right.store) throw new Error(`ranges ${a.id} and ${b.id} rest in different stores`);
  return successor(left, id, left.start, right.end);
}

function successor(range: Range, id: string, start: string, end: string): Range {
  return {
    id,
    start,
    end,
    state: 'filling',
    owner: undefined,
    ownerInstance: undefined,
    epoch: 0,
    topic: topicOf(id),
    store: range.store,
  };
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
