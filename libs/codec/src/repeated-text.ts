/**
 * Short texts that come again and again: countries, currencies, states, kinds, numbers. What is equal to the last text
 * at its place in the table is that text, without a call into native code and without another copy in memory.
 */
import { repeatedTextMax, repeatedTextsMax } from './limits.ts';

/** ASCII only: there a character is a byte. */
const texts: string[] = Array.from({ length: repeatedTextsMax }, () => '');

/** The text in UTF-8 at [from, to). */
export function textAt(bytes: Buffer, from: number, to: number): string {
  if (to - from > repeatedTextMax) return bytes.toString('utf8', from, to);
  let hash = to - from;
  for (let at = from; at < to; at += 1) hash = (Math.imul(hash, 31) + (bytes[at] ?? 0)) | 0;
  const place = hash & (texts.length - 1);
  const known = texts[place] ?? '';
  if (known.length === to - from) {
    let same = 0;
    while (same < known.length && known.charCodeAt(same) === bytes[from + same]) same += 1;
    if (same === known.length) return known;
  }
  const text = bytes.toString('utf8', from, to);
  // As many characters as bytes: all of them are ASCII.
  if (text.length === to - from) texts[place] = text;
  return text;
}
