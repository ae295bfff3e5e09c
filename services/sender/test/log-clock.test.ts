import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogClock } from '../src/log-clock.ts';

const dayMs = 24 * 3_600_000;

/** A clock of our own that is apart from the log's, and the log's, which both go on together. */
function clocks(apartMs: number): { log: () => number; pass: (ms: number) => void; mono: () => number; own: LogClock } {
  let mono = 5_000;
  const log = (): number => 1_700_000_000_000 + mono;
  const own = new LogClock(
    () => log() + apartMs,
    () => mono,
  );
  return { log, pass: (ms) => void (mono += ms), mono: () => mono, own };
}

test('a clock that is ahead is seen by a record that was waited for, and held back', () => {
  const { log, pass, mono, own } = clocks(25 * 3_600_000);
  const askedAtMs = mono();
  pass(2_000);
  own.sawRecord(log(), askedAtMs);
  // The record may have come at any moment of the wait.
  assert.ok(Math.abs(own.ownAheadMs() - 25 * 3_600_000) <= 2_000);
  pass(dayMs);
  assert.ok(Math.abs(own.nowMs() - log()) <= 2_000, 'it goes on with the log');
});

test('a time that is held back is whole milliseconds, whatever the monotonic clock counts in', () => {
  const { log, pass, mono, own } = clocks(dayMs);
  pass(0.25);
  const askedAtMs = mono();
  pass(1_000.5);
  own.sawRecord(Math.floor(log()), askedAtMs);
  assert.ok(own.ownAheadMs() > 0);
  assert.ok(Number.isInteger(own.nowMs()));
});

test('a backlog says nothing about the clock, however old it is', () => {
  const { log, pass, mono, own } = clocks(0);
  const askedAtMs = mono();
  pass(3);
  own.sawRecord(log() - 2 * dayMs, askedAtMs);
  assert.equal(own.ownAheadMs(), 0);
  assert.equal(own.nowMs(), log());
});

test('a clock that is right, or behind, is never changed', () => {
  for (const apartMs of [0, -25 * 3_600_000]) {
    const { log, pass, mono, own } = clocks(apartMs);
    const askedAtMs = mono();
    pass(1_000);
    own.sawRecord(log(), askedAtMs);
    pass(60_000);
    assert.equal(own.ownAheadMs(), 0);
    assert.equal(own.nowMs(), log() + apartMs);
  }
});

test('a clock that was set right is believed again', () => {
  let mono = 0;
  let apartMs = dayMs;
  const own = new LogClock(
    () => 1_000_000 + mono + apartMs,
    () => mono,
  );
  mono += 500;
  own.sawRecord(1_000_000 + mono, 0);
  assert.ok(own.ownAheadMs() > dayMs - 1_000);
  apartMs = 0;
  assert.equal(own.ownAheadMs(), 0);
});

test('a machine that slept, so that both clocks went on and the monotonic one did not, is not taken for a wrong clock', () => {
  let mono = 0;
  let sleptMs = 0;
  const log = (): number => 1_000_000 + mono + sleptMs;
  const own = new LogClock(log, () => mono);
  mono += 500;
  own.sawRecord(log(), 0);
  sleptMs += 3_600_000;
  assert.equal(own.ownAheadMs(), 0);
  assert.equal(own.nowMs(), log());
});
