/**
 * Which records behind the lowest one that is not done are done (docs/protocols.md, 3.7). Pure.
 *
 * One bit for each record, from the one behind `nextOffset` on, lowest bit first, up to the highest that is done. So
 * it is empty where everything is done in the order of the log, and some 2,500 bytes where 20,000 records are read ahead.
 */
import type { Progress } from './fence.ts';

export const noneBeyond = new Uint8Array(0);

export type Done = Pick<Progress, 'nextOffset' | 'doneBeyond'>;

export function isDone({ nextOffset, doneBeyond }: Done, offset: number): boolean {
  if (offset < nextOffset) return true;
  const place = offset - nextOffset - 1;
  return place >= 0 && ((doneBeyond[place >> 3] ?? 0) & (1 << (place & 7))) !== 0;
}

/** How many records behind the lowest one are done. */
export function countBeyond({ doneBeyond }: Done): number {
  let count = 0;
  for (const byte of doneBeyond) for (let bits = byte; bits !== 0; bits &= bits - 1) count += 1;
  return count;
}

/** With more of them done. @param offsets of records that are not, in any order */
export function withDone(done: Done, offsets: readonly number[]): Done {
  const now = new Set(offsets);
  const isDoneNow = (offset: number): boolean => now.has(offset) || isDone(done, offset);
  let { nextOffset } = done;
  while (isDoneNow(nextOffset)) nextOffset += 1;
  const places = offsets.filter((offset) => offset > nextOffset).map((offset) => offset - nextOffset - 1);
  const before = done.nextOffset + done.doneBeyond.length * 8;
  for (let offset = nextOffset + 1; offset <= before; offset += 1)
    if (isDone(done, offset)) places.push(offset - nextOffset - 1);
  return { nextOffset, doneBeyond: bitsAt(places) };
}

function bitsAt(places: readonly number[]): Uint8Array {
  if (places.length === 0) return noneBeyond;
  const highest = places.reduce((most, place) => Math.max(most, place), 0);
  const bits = new Uint8Array((highest >> 3) + 1);
  for (const place of places) bits[place >> 3] = (bits[place >> 3] ?? 0) | (1 << (place & 7));
  return bits;
}
