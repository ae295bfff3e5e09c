import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { RunRecord } from './run-record.ts';

const count = 200_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Without what is to be collected: how much of that there is, is the engine's whim. */
function bytesInUse(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('the record of a run', () => {
  test('holds hundreds of thousands of messages in bounded memory and finds the one that was shown twice', () => {
    const record = new RunRecord();
    const before = bytesInUse();
    for (let message = 0; message < count; message += 1) {
      const lane = message % 1_000;
      record.noteSubmitted({ message, lane, stream: lane % 2, atMs: message });
      record.noteAccepted(message, message + 0.5);
      record.noteShown({ message, device: lane, lane, atMs: message + 1 });
      for (const state of ['accepted', 'sent', 'delivered'] as const) record.noteState(message, state);
      record.noteBooked(message);
    }
    const bytes = bytesInUse() - before;
    // 13 columns, each at most twice as long as it need be.
    assert.ok(bytes < 13 * 8 * 2.2 * count, `${Math.round(bytes / count)} bytes a message`);
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
