import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TimeSlice } from '../src/time-slice.ts';

test('once a slice is used up, calls go on one in each turn of the event loop, in order of arrival', async () => {
  const slice = new TimeSlice(0);
  const order: string[] = [];
  const call = async (name: string): Promise<void> => {
    for (let operation = 1; operation <= 2; operation += 1) {
      await slice.breathe();
      order.push(`${name}${operation}`);
    }
  };
  const others = (async () => {
    for (let turn = 1; turn <= 4; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      order.push('turn');
    }
  })();
  await Promise.all([call('a'), call('b'), others]);
  const withoutTurns = order.filter((entry) => entry !== 'turn');
  assert.deepEqual(withoutTurns, ['a1', 'b1', 'a2', 'b2']);
  assert.ok(order.indexOf('turn') < order.indexOf('b2'), 'others run in between');
});

test('within a slice nothing waits', async () => {
  const slice = new TimeSlice(60_000);
  await slice.breathe();
  let isLater = false;
  setImmediate(() => {
    isLater = true;
  });
  for (let operation = 0; operation < 100; operation += 1) await slice.breathe();
  assert.equal(isLater, false);
});
