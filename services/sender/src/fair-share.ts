/** Who has more than its share of something that all use. Pure. */

/**
 * The parties above the max-min fair share of 1, those with the most first: whoever needs less than an equal part has
 * what it needs, and what is left is parted equally among the others and one more that is to come.
 *
 * @param uses the part that each has; more than 1 in all where it is overrun
 */
export function aboveShare(uses: ReadonlyMap<string, number>): string[] {
  let [left, parties] = [1, uses.size + 1];
  for (const use of [...uses.values()].toSorted((a, b) => a - b)) {
    if (use > left / parties) break;
    left -= use;
    parties -= 1;
  }
  const share = left / parties;
  const above = [...uses].filter(([, use]) => use > share).toSorted(([, a], [, b]) => b - a);
  return above.map(([party]) => party);
}
