import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantile } from '../src/demo/quantile.ts';
import { Tally, type State } from '../src/demo/tally.ts';

const number = '+33199009001';
const contact = '+33199001001';
const price = { country: 'FR', currency: 'USD', micros: 21_000n };

/** A tally of two messages that were delivered, shown and charged. */
function goodRun(): Tally {
  const tally = new Tally();
  for (const messageId of ['m1', 'm2']) {
    tally.noteAccepted({ messageId, business: 'b', number, contact, atMs: 0 });
    for (const state of ['accepted', 'sent', 'delivered'] as const) hear(tally, messageId, state);
    show(tally, messageId);
    tally.booked.push({ business: number, messageId, ...price });
  }
  return tally;
}

function hear(tally: Tally, messageId: string, state: State): void {
  tally.noteEvent({ eventId: `${messageId} ${state}`, business: number, messageId, state, price });
}

function show(tally: Tally, messageId: string, device = 'phone'): void {
  tally.noteShown({ contact, device, number, messageId, atMs: 1 });
}

function names(tally: Tally, promise: RegExp): void {
  const problems = tally.disagreements();
  assert.ok(
    problems.some((problem) => promise.test(problem)),
    problems.join('\n') || 'nothing was found',
  );
}

test('a run in which everything agrees has no disagreement, repeated events included', () => {
  const tally = goodRun();
  hear(tally, 'm1', 'delivered');
  show(tally, 'm1', 'tablet');
  assert.deepEqual(tally.disagreements(), []);
});

test('a message that is shown twice, or that nobody sent, breaks ONCE', () => {
  const twice = goodRun();
  show(twice, 'm2');
  names(twice, /ONCE: m2 was shown twice/);
  const invented = goodRun();
  show(invented, 'm3');
  names(invented, /ONCE: a handset showed m3/);
});

test('a message that is accepted and nowhere breaks NO-LOSS', () => {
  const tally = goodRun();
  tally.noteAccepted({ messageId: 'm3', business: 'b', number, contact, atMs: 0 });
  names(tally, /NO-LOSS: m3/);
  hear(tally, 'm3', 'delivered');
  names(tally, /NO-LOSS: m3 is delivered and was not shown/);
});

test('a message that is shown before an earlier one breaks ORDER', () => {
  const tally = goodRun();
  show(tally, 'm2', 'tablet');
  show(tally, 'm1', 'tablet');
  names(tally, /ORDER: m1/);
});

test('a state that goes backwards breaks MONOTONE', () => {
  const tally = goodRun();
  tally.noteEvent({ eventId: 'late', business: number, messageId: 'm1', state: 'sent' });
  names(tally, /MONOTONE: message m1 went from delivered to sent/);
});

test('a charge too many, too few or too high is found', () => {
  const twice = goodRun();
  twice.booked.push({ business: number, messageId: 'm1', ...price });
  names(twice, /ONCE: m1 was charged twice/);
  const none = goodRun();
  none.booked.pop();
  names(none, /m2 was delivered and is not in the ledger/);
  const high = goodRun();
  high.booked.splice(0, 1, { business: number, messageId: 'm1', ...price, micros: 22_000n });
  names(high, /m1 costs 22000 in the ledger/);
});

test('a reply that does not arrive, or arrives changed, is found', () => {
  const tally = goodRun();
  tally.repliesConfirmed.push('thanks');
  names(tally, /1 replies/);
  tally.repliesReceived.push('thanks!');
  names(tally, /or other ones/);
});

test('a quantile is the nearest rank', () => {
  assert.equal(quantile([5, 1, 4, 2, 3], 0.5), 3);
  assert.equal(quantile([5, 1, 4, 2, 3], 0.99), 5);
  assert.equal(quantile([7], 0.5), 7);
  assert.ok(Number.isNaN(quantile([], 0.5)));
});
