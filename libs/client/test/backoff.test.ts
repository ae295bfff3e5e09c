import { ChappeError } from '@chappe/errors/chappe-error';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backoffMs, retrying } from '../src/backoff.ts';
import { backoffMaxMs, backoffMinMs } from '../src/limits.ts';

test('a wait is never below what the server asked for, nor above the bound without that', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.nat(60_000),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempt, leastMs, random) => {
        const waitMs = backoffMs(attempt, leastMs, () => random);
        assert.ok(waitMs >= Math.max(leastMs, backoffMinMs / 2));
        assert.ok(waitMs <= Math.max(leastMs, backoffMaxMs));
      },
    ),
  );
});

test('what passes is tried again; what does not is thrown at once', async () => {
  let calls = 0;
  const failing = (reason: 'notReady' | 'keyReused', times: number) => async () => {
    calls += 1;
    if (calls <= times) throw new ChappeError(reason, 'for the test');
    return calls;
  };
  assert.equal(await retrying(failing('notReady', 1)), 2);
  calls = 0;
  await assert.rejects(
    retrying(failing('keyReused', 9)),
    (error) => error instanceof ChappeError && error.reason === 'keyReused',
  );
  assert.equal(calls, 1);
});
