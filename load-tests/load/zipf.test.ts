import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../faults/seeded-random.ts';
import { zipf } from './zipf.ts';

const draws = 200_000;

function countsOf(count: number, exponent: number): number[] {
  const next = zipf(count, exponent, seededRandom(7));
  const counts = Array.from({ length: count }, () => 0);
  for (let draw = 0; draw < draws; draw += 1) {
    const place = next();
    counts[place] = (counts[place] ?? 0) + 1;
  }
  return counts;
}

describe('draws by Zipf’s law', () => {
  test('come in the shares that the law gives', () => {
    const counts = countsOf(100, 1);
    const sum = Array.from({ length: 100 }, (_, place) => 1 / (place + 1)).reduce((a, b) => a + b);
    for (const place of [0, 1, 9, 49]) {
      const expected = draws / (place + 1) / sum;
      // Five standard deviations.
      assert.ok(Math.abs((counts[place] ?? 0) - expected) < 5 * Math.sqrt(expected), `place ${place}`);
    }
  });

  test('are even with the exponent 0, and reach the first and the last', () => {
    const counts = countsOf(10, 0);
    for (const count of counts) assert.ok(Math.abs(count - draws / 10) < 5 * Math.sqrt(draws / 10));
  });

  test('of the lowest and highest chance are the first and the last place', () => {
    assert.equal(zipf(1_000, 0.8, () => 0)(), 0);
    assert.equal(zipf(1_000, 0.8, () => 1 - 2 ** -53)(), 999);
  });
});
