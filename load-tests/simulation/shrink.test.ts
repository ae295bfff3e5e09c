import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { shrink } from './shrink.ts';

test('what is left fails, and nothing of it can be left out', async () => {
  const needs = fc.uniqueArray(fc.nat(40), { maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 41, max: 60 }), needs, async (count, needed) => {
      const things = Array.from({ length: count }, (_, index) => index);
      const left = await shrink(things, async (some) => needed.every((one) => some.includes(one)), 10_000);
      assert.deepEqual(
        [...left].toSorted((a, b) => a - b),
        needed.toSorted((a, b) => a - b),
      );
    }),
  );
});

test('it gives up after so many tries, with what still fails', async () => {
  const things = Array.from({ length: 100 }, (_, index) => index);
  const left = await shrink(things, async (some) => some.includes(7) && some.includes(93), 5);
  assert.ok(left.includes(7) && left.includes(93));
});
