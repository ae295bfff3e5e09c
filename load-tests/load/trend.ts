/** Whether something grows over a window: a straight line through its samples (least squares). */

interface Sample {
  readonly atMs: number;
  readonly value: number;
}

interface Trend {
  /** Per second. */
  readonly slope: number;
  /** One standard error of the slope. */
  readonly slopeError: number;
}

/** Undefined with fewer than four samples: no line says anything. */
function trendOf(samples: readonly Sample[]): Trend | undefined {
  if (samples.length < 4) return undefined;
  const seconds = samples.map(({ atMs }) => atMs / 1_000);
  const values = samples.map(({ value }) => value);
  const [meanX, meanY] = [mean(seconds), mean(values)];
  let [xx, xy] = [0, 0];
  for (const [index, x] of seconds.entries()) {
    xx += (x - meanX) ** 2;
    xy += (x - meanX) * ((values[index] ?? 0) - meanY);
  }
  const slope = xy / xx;
  const residual = seconds.reduce(
    (sum, x, index) => sum + ((values[index] ?? 0) - meanY - slope * (x - meanX)) ** 2,
    0,
  );
  return { slope, slopeError: Math.sqrt(residual / (samples.length - 2) / xx) };
}

/** One batch more or less on each range is noise, however low the rate. */
const gainedMin = 100;

/**
 * A backlog grows if it gains more than 2 % of the rate each second, and more than 0.3 s of messages and 100 of
 * them over the window (less is one batch more or less), and that surely: by more than two standard errors.
 */
export function grows(samples: readonly Sample[], perSecond: number): boolean {
  const trend = trendOf(samples);
  if (trend === undefined) return false;
  const seconds = ((samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0)) / 1_000;
  const gained = trend.slope * seconds;
  const isMuch = trend.slope > 0.02 * perSecond && gained > Math.max(gainedMin, 0.3 * perSecond);
  return isMuch && trend.slope > 2 * trend.slopeError;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
