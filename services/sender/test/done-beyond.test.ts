import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { countBeyond, isDone, noneBeyond, withDone, type Done } from '../src/done-beyond.ts';

test('what is done in the order of the log leaves nothing behind the lowest one', () => {
  const done = withDone({ nextOffset: 7, doneBeyond: noneBeyond }, [7, 8, 9]);
  assert.deepEqual(done, { nextOffset: 10, doneBeyond: noneBeyond });
});

test('the lowest one that is not done holds the others back, and lets them go when it is done', () => {
  const apart = withDone({ nextOffset: 0, doneBeyond: noneBeyond }, [1, 2, 9]);
  assert.deepEqual(apart, { nextOffset: 0, doneBeyond: Uint8Array.of(0b11, 0b1) });
  const joined = withDone(apart, [0]);
  assert.deepEqual(joined, { nextOffset: 3, doneBeyond: Uint8Array.of(0b100000) });
  assert.equal(countBeyond(joined), 1);
});

test('whatever is done in whatever order: exactly that is done', () => {
  const first = 1_000;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 120 }).chain((count) =>
        fc.record({
          order: fc.shuffledSubarray(
            Array.from({ length: count }, (_, index) => first + index),
            { minLength: 0, maxLength: count },
          ),
          cuts: fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
        }),
      ),
      ({ order, cuts }) => {
        let done: Done = { nextOffset: first, doneBeyond: noneBeyond };
        const model = new Set<number>();
        for (let from = 0, turn = 0; from < order.length; turn += 1) {
          const offsets = order.slice(from, from + (cuts[turn % cuts.length] ?? 1));
          from += offsets.length;
          done = withDone(done, offsets);
          for (const offset of offsets) model.add(offset);
          for (let offset = first - 2; offset < first + 140; offset += 1) {
            assert.equal(isDone(done, offset), offset < first || model.has(offset), `offset ${offset}`);
          }
          assert.ok(!isDone(done, done.nextOffset));
          assert.equal(done.nextOffset - first + countBeyond(done), model.size);
          assert.ok(done.doneBeyond.at(-1) !== 0, 'no byte more than there is to say');
        }
      },
    ),
  );
});
