/** Draws places by Zipf's law: place k (from 0) with a weight of 1 / (k + 1)^exponent. */

/** @param random from 0 to 1 @returns a function that draws a place below `count` */
export function zipf(count: number, exponent: number, random: () => number): () => number {
  const cumulative = new Float64Array(count);
  let sum = 0;
  for (let place = 0; place < count; place += 1) {
    sum += (place + 1) ** -exponent;
    cumulative[place] = sum;
  }
  return () => firstAbove(cumulative, random() * sum);
}

function firstAbove(cumulative: Float64Array, value: number): number {
  let low = 0;
  let high = cumulative.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((cumulative[middle] ?? 0) > value) high = middle;
    else low = middle + 1;
  }
  return low;
}
