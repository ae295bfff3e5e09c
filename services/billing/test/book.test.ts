import { create } from '@bufbuild/protobuf';
import { messageStates, type MessageState } from '@chappe/message-state/message-state';
import { MessageStateEventSchema, type MessageStateEvent } from '@chappe/proto/internal/events';
import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { book, type BookingState, type Effect } from '../src/book.ts';

const ends: readonly MessageState[] = ['delivered', 'read', 'failed', 'expired', 'cancelled'];

test('ONCE: whatever events come, in whatever order and however often, the first end decides, once', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...messageStates), { maxLength: 30 }), (states) => {
      const effects = run(states);
      const first = states.find((state) => ends.includes(state));
      const charged = effects.filter(({ kind }) => kind === 'settle').length;
      const released = effects.filter(({ kind }) => kind === 'release').length;
      assert.equal(charged, first === 'delivered' || first === 'read' ? 1 : 0);
      assert.equal(released, first !== undefined && charged === 0 ? 1 : 0);
      const reserved = effects.filter(({ kind }) => kind === 'reserve').length;
      const acceptedFirst =
        states.indexOf('accepted') >= 0 && (first === undefined || states.indexOf('accepted') < states.indexOf(first));
      assert.equal(reserved, acceptedFirst ? 1 : 0);
    }),
  );
});

test('every event twice changes nothing more', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...messageStates), { maxLength: 20 }), (states) => {
      const once = run(states).filter(({ kind }) => kind !== 'nothing');
      const twice = run(states.flatMap((state) => [state, state])).filter(({ kind }) => kind !== 'nothing');
      assert.deepEqual(twice, once);
    }),
  );
});

test('the usual life of a message, and of one that fails', () => {
  const words = (states: MessageState[]): string[] =>
    run(states).map((effect) => (effect.kind === 'nothing' ? effect.because : effect.kind));
  assert.deepEqual(words(['accepted', 'sent', 'delivered', 'read']), ['reserve', 'irrelevant', 'settle', 'repeat']);
  assert.deepEqual(words(['accepted', 'sent', 'expired', 'delivered']), ['reserve', 'irrelevant', 'release', 'late']);
  assert.deepEqual(words(['delivered', 'failed', 'accepted']), ['settle', 'late', 'repeat']);
});

test('WINDOW: the entry says what the event says, and decides nothing again', () => {
  const effect = book('reserved', event('delivered'), 42);
  assert.ok(effect.kind === 'settle');
  assert.deepEqual(effect.charge, {
    messageId: 'm-1',
    timeMs: 42,
    country: 'FR',
    category: 'service',
    windowOpen: true,
    micros: 0,
    currency: 'USD',
    priceBook: '2026-07-01',
  });
});

test('an event without a price, or of a state that is not known, is refused', () => {
  const { price: _price, ...unpriced } = event('delivered');
  assert.throws(() => book(undefined, create(MessageStateEventSchema, unpriced), 0), /no price decision/);
  assert.throws(() => book(undefined, create(MessageStateEventSchema, { state: 'lost' }), 0), /not known/);
});

function run(states: readonly MessageState[]): Effect[] {
  let booked: BookingState | undefined;
  return states.map((state, index) => {
    const effect = book(booked, event(state), index);
    if (effect.kind === 'reserve') booked = 'reserved';
    if (effect.kind === 'settle') booked = 'settled';
    if (effect.kind === 'release') booked = 'released';
    // Times differ between repeats; the charge is compared without them.
    return effect.kind === 'settle' ? { kind: 'settle', charge: { ...effect.charge, timeMs: 0 } } : effect;
  });
}

function event(state: MessageState): MessageStateEvent {
  const price = {
    country: 'FR',
    category: 'service',
    windowOpen: true,
    micros: 0n,
    currency: 'USD',
    priceBook: '2026-07-01',
  };
  return create(MessageStateEventSchema, { messageId: 'm-1', state, price });
}
