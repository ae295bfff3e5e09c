import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RunRecord } from './run-record.ts';

const count = 200_000;

describe('the record of a run', () => {
  test('holds hundreds of thousands of messages in bounded memory and finds the one that was shown twice', () => {
    const record = new RunRecord();
    for (let message = 0; message < count; message += 1) {
      const lane = message % 1_000;
      record.noteSubmitted({ message, lane, stream: lane % 2, atMs: message });
      record.noteAccepted(message, message + 0.5);
      record.noteShown({ message, device: lane, lane, atMs: message + 1 });
      for (const state of ['accepted', 'sent', 'delivered'] as const) record.noteState(message, state);
      record.noteBooked(message);
    }
    // 12 columns of 8 bytes a place, each at most twice as long as it need be.
    assert.ok(record.byteLength < 12 * 8 * 2 * count, `${Math.round(record.byteLength / count)} bytes a message`);
    assert.deepEqual([...record.problems()], []);
    record.noteShown({ message: 50_000, device: 0, lane: 0, atMs: 0 });
    assert.deepEqual(
      [...record.problems()].filter((problem) => problem.startsWith('ONCE')),
      ['ONCE: message 50000 was shown twice on device 0'],
    );
  });

  test('finds a state that was skipped', () => {
    const record = new RunRecord();
    record.noteState(0, 'accepted');
    record.noteState(0, 'delivered');
    assert.match([...record.problems()].join(), /^MONOTONE: message 0 went from accepted to delivered/u);
  });
});
