import type { Range } from '../src/range.ts';
import { recut } from '../src/routing-table.ts';

/** A range cut in two, for tests that want both by name. */
export function halves(range: Range, at: string, ids: readonly [string, string]): [Range, Range] {
  const [left, right] = recut([range], [at], ids);
  if (left === undefined || right === undefined) throw new Error('a cut makes two ranges');
  return [left, right];
}
