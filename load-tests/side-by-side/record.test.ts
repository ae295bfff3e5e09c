import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobRecord } from './record.ts';

function recordOf(
  ...messages: readonly (readonly [
    contact: string,
    submitted: number,
    accepted: number,
    delivered?: number,
    reported?: number,
  ])[]
): JobRecord {
  const record = new JobRecord();
  for (const [index, [contact, submittedMs, acceptedMs, deliveredMs, reportedMs]] of messages.entries()) {
    record.submitted(index, contact, submittedMs, submittedMs);
    record.accepted(index, acceptedMs);
    if (deliveredMs !== undefined) record.delivered(index, deliveredMs);
    if (reportedMs !== undefined) record.reported(index, reportedMs);
  }
  return record;
}

test('rates count to the last message that is done, wherever it waits', () => {
  const figures = recordOf(['a', 0, 10, 500, 1_000], ['b', 0, 20, 250, 2_000]).figures(0);
  assert.equal(figures.acceptedPerSecond, 100);
  assert.equal(figures.deliveredPerSecond, 4);
  assert.equal(figures.reportedPerSecond, 1);
});

test('an accepted message that nobody got is lost; a delivered one without a report is unreported', () => {
  const record = recordOf(['a', 0, 10], ['b', 0, 10, 20], ['c', 0, 10, 20, 30]);
  const { lost, unreported } = record.figures(0);
  assert.deepEqual([lost, unreported], [1, 1]);
  assert.equal(record.isComplete, false);
});

test('a refused message is not waited for and not lost', () => {
  const record = recordOf(['a', 0, 10, 20, 30]);
  record.submitted(1, 'b', 0, 0);
  record.refused();
  assert.equal(record.isComplete, true);
  assert.equal(record.figures(0).lost, 0);
});

test('a second delivery and a second report are counted and change no latency', () => {
  const record = recordOf(['a', 0, 10, 20, 30]);
  record.delivered(0, 900);
  record.reported(0, 900);
  const { deliveredAgain, reportedAgain, acceptedToDelivered } = record.figures(0);
  assert.deepEqual([deliveredAgain, reportedAgain, acceptedToDelivered.p99Ms], [1, 1, 10]);
});

test('a message overtakes only one to the same person that was accepted before it was handed over', () => {
  assert.equal(recordOf(['a', 0, 10, 200], ['a', 20, 30, 100]).figures(0).overtakes, 1);
  assert.equal(recordOf(['a', 0, 25, 200], ['a', 20, 30, 100]).figures(0).overtakes, 0);
  assert.equal(recordOf(['a', 0, 10, 200], ['b', 20, 30, 100]).figures(0).overtakes, 0);
});

test('what the other side waits before it reports is taken off', () => {
  assert.equal(recordOf(['a', 0, 10, 20, 1_050]).figures(1_000).deliveredToReported.p50Ms, 30);
});
