/**
 * Which records of each range are done, as committed: what was done once stays done, whoever works on the range, so that
 * nothing is done twice. Told of every fence that was passed; it reads the row's form by itself.
 */
import type { SqlValue } from '@chappe/store/store';

/** `next_offset`, `done_beyond`, and the range, among the parameters of a worker's compare-and-set. */
const [nextPlace, beyondPlace, rangePlace] = [0, 1, 9];

export class DoneRecords {
  readonly #done = new Map<string, ReadonlySet<number>>();

  /** What is wrong with it; undefined: nothing. */
  note(parameters: readonly SqlValue[]): string | undefined {
    const rangeId = String(parameters[rangePlace]);
    const now = doneIn(Number(parameters[nextPlace]), parameters[beyondPlace]);
    const lost = [...(this.#done.get(rangeId) ?? [])].find((offset) => !now.has(offset));
    this.#done.set(rangeId, now);
    return lost === undefined
      ? undefined
      : `ONCE: record ${lost} of ${rangeId} was done and is to be done again, twice`;
  }
}

/** All below the first, and one for each bit from the one behind it on. */
function doneIn(nextOffset: number, beyond: SqlValue | undefined): Set<number> {
  const done = new Set(Array.from({ length: nextOffset }, (_, offset) => offset));
  if (!(beyond instanceof Uint8Array)) throw new Error('a fence was passed that does not say what is done');
  for (const [index, byte] of beyond.entries()) {
    for (let bit = 0; bit < 8; bit += 1) if ((byte >> bit) % 2 === 1) done.add(nextOffset + 1 + index * 8 + bit);
  }
  return done;
}
