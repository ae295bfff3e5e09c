/**
 * What changed between two sets of runs beyond the noise of repeated ones: for each figure the difference of the
 * medians, and an interval for it by bootstrap.
 */

/** The values that one figure had in each of the repeated runs. */
export interface Series {
  readonly name: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly values: readonly number[];
}

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly before: number;
  readonly after: number;
  /** Of the difference of medians, as a share of `before`: 0.1 is a tenth more. */
  readonly change: number;
  /** 95 of 100 intervals made like this hold the true change. Undefined: fewer than three values on a side. */
  readonly interval: readonly [number, number] | undefined;
  readonly verdict: 'better' | 'worse' | 'no change seen' | 'too few runs';
}

const valuesMin = 3;
const resamples = 4_000;
/** Less than a hundredth is nobody's gain, however sure it is. */
const changeMin = 0.01;

/** Figures that both have, in the order of `before`. @param random from 0 to 1 */
export function compare(before: readonly Series[], after: readonly Series[], random: () => number): Comparison[] {
  return before.flatMap((one) => {
    const other = after.find(({ name }) => name === one.name);
    return other === undefined ? [] : [compareSeries(one, other, random)];
  });
}

function compareSeries(one: Series, other: Series, random: () => number): Comparison {
  const [before, after] = [median(one.values), median(other.values)];
  const { name, unit, better } = one;
  const change = changeOf(before, after);
  const result = { name, unit, before, after, change };
  if (one.values.length < valuesMin || other.values.length < valuesMin)
    return { ...result, interval: undefined, verdict: 'too few runs' };
  const interval = intervalOf(one.values, other.values, random);
  const isSure = interval[0] > 0 || interval[1] < 0;
  if (!isSure || Math.abs(change) < changeMin) return { ...result, interval, verdict: 'no change seen' };
  return { ...result, interval, verdict: change > 0 === (better === 'higher') ? 'better' : 'worse' };
}

/**
 * Percentile bootstrap (Efron and Tibshirani 1993, chapter 13): both sides are drawn again with repetition. With three
 * to five runs a side it is too narrow now and then; what only just excludes 0 wants more repeats.
 */
function intervalOf(before: readonly number[], after: readonly number[], random: () => number): [number, number] {
  const changes = Array.from({ length: resamples }, () =>
    changeOf(median(drawn(before, random)), median(drawn(after, random))),
  ).toSorted((a, b) => a - b);
  return [changes[Math.floor(0.025 * resamples)] ?? NaN, changes[Math.ceil(0.975 * resamples) - 1] ?? NaN];
}

function drawn(values: readonly number[], random: () => number): number[] {
  return values.map(() => values[Math.trunc(random() * values.length)] ?? NaN);
}

function changeOf(before: number, after: number): number {
  return before === after ? 0 : (after - before) / Math.abs(before);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return Number.isInteger(middle)
    ? ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
    : (sorted[Math.floor(middle)] ?? NaN);
}
