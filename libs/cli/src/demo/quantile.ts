/** The smallest value that at least `part` of the values do not exceed (nearest rank); NaN of nothing. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = Math.max(1, Math.ceil(part * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}
