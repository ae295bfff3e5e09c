import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { highest, isFinal, isWaiting, messageStates, transition, type MessageState } from '../src/message-state.ts';

const anyState = fc.constantFrom(...messageStates);

function follow(reports: readonly MessageState[]): MessageState[] {
  const history: MessageState[] = ['accepted'];
  for (const report of reports) history.push(...transition(history.at(-1) ?? 'accepted', report));
  return history;
}

test('MONOTONE: no order of reports makes a message go backwards or enter a state twice', () => {
  fc.assert(
    fc.property(fc.array(anyState, { maxLength: 12 }), (reports) => {
      const history = follow(reports);
      assert.equal(new Set(history).size, history.length);
      for (const [index, state] of history.slice(1).entries()) {
        assert.equal(highest(history[index] ?? 'accepted', state), state);
      }
    }),
  );
});

test('a skipped state is entered on the way', () => {
  assert.deepEqual(transition('accepted', 'read'), ['sent', 'delivered', 'read']);
});

test('nothing follows a final state', () => {
  for (const from of messageStates.filter(isFinal)) {
    for (const to of messageStates) assert.deepEqual(transition(from, to), []);
  }
});

test('a message that a person has cannot fail any more', () => {
  assert.deepEqual(transition('delivered', 'failed'), []);
  assert.equal(isWaiting('delivered'), false);
});

test('the highest of two states does not depend on their order', () => {
  fc.assert(fc.property(anyState, anyState, (a, b) => highest(a, b) === highest(b, a)));
});
