import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { seededRandom } from '../faults/seeded-random.ts';
import { grows } from './trend.ts';

const perSecond = 1_000;

/** One sample a second: a line and noise around it, from -1 to 1 times its size. */
function samplesOf(slope: number, noise: number, seconds = 30, random = seededRandom(3)): Parameters<typeof grows>[0] {
  return Array.from({ length: seconds }, (_, second) => ({
    atMs: second * 1_000,
    value: 500 + slope * second + noise * (2 * random() - 1),
  }));
}

describe('what waits', () => {
  test('grows if it gains a tenth of the rate every second, with or without noise', () => {
    assert.ok(grows(samplesOf(100, 0), perSecond));
    assert.ok(grows(samplesOf(100, 300), perSecond));
  });

  test('does not grow if it goes up and down, or falls', () => {
    for (let seed = 1; seed <= 200; seed += 1)
      assert.ok(!grows(samplesOf(0, 100, 30, seededRandom(seed)), perSecond), `seed ${seed}`);
    assert.ok(!grows(samplesOf(-100, 50), perSecond));
  });

  test('does not grow by one batch more, or by less than 2 % of the rate', () => {
    assert.ok(!grows(samplesOf(15, 0), perSecond));
    assert.ok(!grows(samplesOf(60, 0, 5), perSecond));
  });

  test('says nothing with three looks at it', () => {
    assert.ok(!grows(samplesOf(900, 0, 3), perSecond));
  });
});
