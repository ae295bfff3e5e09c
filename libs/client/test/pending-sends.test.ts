import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PendingSends } from '../src/pending-sends.ts';

const all = { messages: 100, bytes: 1_000 };

function pendingOf(...contacts: readonly string[]): PendingSends {
  const pending = new PendingSends();
  for (const [no, contact] of contacts.entries()) {
    const settled = { resolve: () => undefined, reject: () => undefined, refusedAtMs: undefined };
    pending.add({ no, contact, request: {}, bytes: 100, ...settled });
  }
  return pending;
}

const numbers = (sends: readonly { no: number }[]): number[] => sends.map(({ no }) => no);

test('a frame is cut by messages and by bytes, and holds one message at least', () => {
  const pending = pendingOf('a', 'b', 'c', 'd');
  assert.deepEqual(numbers(pending.take({ messages: 1, bytes: 1_000 }, 0)), [0]);
  assert.deepEqual(numbers(pending.take({ messages: 9, bytes: 250 }, 0)), [1, 2]);
  assert.deepEqual(numbers(pending.take({ messages: 9, bytes: 1 }, 0)), [3]);
});

test('after a refusal a contact waits for its answers and its time; others go on', () => {
  const pending = pendingOf('a', 'a', 'b', 'a', 'b');
  assert.deepEqual(numbers(pending.take({ messages: 3, bytes: 1_000 }, 0)), [0, 1, 2]);
  pending.refused(() => 50, 0);
  assert.deepEqual(numbers(pending.take(all, 100)), [4], 'one of the contact is still in flight');
  pending.refused(() => 50, 100);
  assert.equal(pending.nextReleaseMs(20), 30);
  assert.deepEqual(numbers(pending.take(all, 20)), [], 'its time has not come');
  assert.deepEqual(numbers(pending.take(all, 50)), [0, 1, 3], 'from the first refused one on, in order');
});

test('a broken stream puts what is unanswered back in its place', () => {
  const pending = pendingOf('a', 'b', 'a');
  pending.take({ messages: 2, bytes: 1_000 }, 0);
  pending.answered();
  pending.disconnected();
  assert.deepEqual(numbers(pending.take(all, 0)), [1, 2]);
});

test('waits grow with each refusal of a contact and start anew once it is let through', () => {
  const pending = pendingOf('a');
  const refusals: number[] = [];
  const wait = (count: number): number => {
    refusals.push(count);
    return 0;
  };
  for (let round = 0; round < 3; round += 1) {
    pending.take(all, round);
    pending.refused(wait, round);
  }
  pending.take(all, 3);
  pending.answered();
  assert.deepEqual(refusals, [1, 2, 3]);
  assert.equal(pending.size, 0);
});
