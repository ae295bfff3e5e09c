import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../faults/seeded-random.ts';
import { compare, median, type Series } from './compare.ts';

function seriesOf(values: readonly number[], better: Series['better'] = 'lower'): Series {
  return { name: 'CPU', unit: 'us', better, values };
}

/** Five repeats around a value, each up to 5 % off. */
function noisy(value: number, random: () => number): number[] {
  return Array.from({ length: 5 }, () => value * (0.95 + 0.1 * random()));
}

function verdictOf(before: Series, after: Series): string | undefined {
  return compare([before], [after], seededRandom(1))[0]?.verdict;
}

describe('a comparison', () => {
  test('sees a change that is larger than the noise, and which way is better', () => {
    const random = seededRandom(5);
    const [slow, fast] = [noisy(1_000, random), noisy(800, random)];
    assert.equal(verdictOf(seriesOf(slow), seriesOf(fast)), 'better');
    assert.equal(verdictOf(seriesOf(fast), seriesOf(slow)), 'worse');
    assert.equal(verdictOf(seriesOf(slow, 'higher'), seriesOf(fast, 'higher')), 'worse');
  });

  test('rarely sees one where there is only noise', () => {
    let seen = 0;
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = seededRandom(seed);
      if (verdictOf(seriesOf(noisy(1_000, random)), seriesOf(noisy(1_000, random))) !== 'no change seen') seen += 1;
    }
    // 5 are promised; with five repeats a side the interval is too narrow now and then.
    assert.ok(seen <= 15, `${seen} of 100`);
  });

  test('says nothing with two runs', () => {
    assert.equal(verdictOf(seriesOf([1_000, 1_001]), seriesOf([1, 2])), 'too few runs');
  });

  test('leaves out what only one of the two has', () => {
    assert.deepEqual(compare([seriesOf([1])], [{ ...seriesOf([1]), name: 'memory' }], Math.random), []);
  });

  test('of medians takes the middle', () => {
    assert.equal(median([3, 1, 2]), 2);
    assert.equal(median([4, 1, 2, 3]), 2.5);
  });
});
