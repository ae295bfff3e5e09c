/** Percentiles of latencies, by the nearest rank. */

export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

/** Undefined: there are none. @param valuesMs is sorted in place */
export function latencyOf(valuesMs: Float64Array): Latency | undefined {
  if (valuesMs.length === 0) return undefined;
  valuesMs.sort();
  const at = (share: number): number => valuesMs[Math.max(0, Math.ceil(valuesMs.length * share) - 1)] ?? 0;
  return {
    count: valuesMs.length,
    p50Ms: at(0.5),
    p90Ms: at(0.9),
    p99Ms: at(0.99),
    p999Ms: at(0.999),
    maxMs: at(1),
  };
}
