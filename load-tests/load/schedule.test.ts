import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { inBursts, steadily } from './schedule.ts';

describe('a schedule', () => {
  test('hands over as many messages as the rate makes in the time, evenly', () => {
    const schedule = steadily(250, 8);
    assert.equal(schedule.count, 2_000);
    assert.deepEqual([0, 1, 250, 1_999].map(schedule.dueMs), [0, 4, 1_000, 7_996]);
  });

  test('makes bursts of a period each, with the same number of messages in all', () => {
    const schedule = inBursts(100, 20, 5);
    assert.equal(schedule.count, 2_000);
    assert.deepEqual([0, 499, 500, 1_999].map(schedule.dueMs), [0, 0, 5_000, 15_000]);
  });

  test('never goes back, and ends within its time', () => {
    const rates = fc.integer({ min: 1, max: 20_000 });
    fc.assert(
      fc.property(rates, fc.integer({ min: 1, max: 60 }), (perSecond, seconds) => {
        for (const { count, dueMs } of [steadily(perSecond, seconds), inBursts(perSecond, seconds, 5)]) {
          for (let no = 1; no < Math.min(count, 1_000); no += 1) assert.ok(dueMs(no) >= dueMs(no - 1));
          assert.ok(dueMs(count - 1) <= Math.max(seconds, 5) * 1_000);
        }
      }),
    );
  });
});
