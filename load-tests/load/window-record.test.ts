import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { states } from '../checker/run-record.ts';
import { WindowRecord } from './window-record.ts';

/** Two messages, numbers 100 and 101, to contacts 7 and 8, as the processes would tell of them. */
function goodWindow(change: (rows: Record<string, number[][]>) => void = () => undefined): WindowRecord {
  const all = states.slice(0, 3).map((_, place) => place);
  const rows: Record<string, number[][]> = {
    submitted: [
      [100, 0, 7, 0, 10, 11],
      [101, 0, 8, 0, 20, 22],
    ],
    accepted: [
      [100, 15, 555],
      [101, 25, 666],
    ],
    shown: [
      [100, 7, 0, 555, 40],
      [101, 8, 0, 666, 60],
    ],
    told: [...all.map((state) => [100, state, 555, 50, 0]), ...all.map((state) => [101, state, 666, 70, 0])],
    booked: [[555], [666]],
  };
  change(rows);
  const window = new WindowRecord(100, 1, false);
  for (const [topic, ofTopic] of Object.entries(rows)) window.take(topic, Float64Array.from(ofTopic.flat()));
  return window;
}

function finds(pattern: RegExp, change: (rows: Record<string, number[][]>) => void): void {
  const problems = [...goodWindow(change).record.problems()];
  assert.ok(
    problems.some((problem) => pattern.test(problem)),
    problems.join('\n') || 'no problem was found',
  );
}

describe('the record of a window', () => {
  test('measures from when messages were due, and finds nothing wrong with a good window', () => {
    const window = goodWindow();
    assert.deepEqual([...window.record.problems()], []);
    assert.deepEqual([...window.latencies((place) => window.record.firstShownMs(place))], [30, 40]);
    assert.deepEqual(
      [
        ...window.latencies(
          (place) => window.record.firstShownMs(place),
          (contact) => contact === 8,
        ),
      ],
      [40],
    );
    assert.equal(window.events, 6);
    assert.ok(window.record.isSettled());
  });

  test('finds what is lost, repeated, wrongly delivered, not charged, and ids that do not agree', () => {
    finds(/^NO-LOSS: message 101 .* nobody was shown/u, ({ shown }) => shown?.pop());
    finds(/^ONCE: message 100 was shown twice/u, ({ shown }) => shown?.push([100, 7, 0, 555, 99]));
    finds(/^TENANT: message 101/u, ({ shown }) => (shown?.pop(), shown?.push([101, 9, 0, 666, 60])));
    finds(/^ONCE: message 101 was delivered and not charged/u, ({ booked }) => booked?.pop());
    finds(/^ONCE: something was charged/u, ({ booked }) => booked?.push([777]));
    finds(/^ONCE: message 100 has two ids/u, ({ told }) => told?.push([100, 3, 556, 99, 0]));
    finds(/^ONCE: message 99.* after its window/u, ({ shown }) => shown?.push([99, 7, 0, 444, 99]));
    finds(/^ONCE: message NaN/u, ({ shown }) => shown?.push([NaN, 7, 0, 444, 99]));
  });

  test('finds messages of one contact in another order', () => {
    finds(/^ORDER: message 100/u, (rows) => {
      for (const row of rows['submitted'] ?? []) row[2] = 7;
      for (const row of rows['shown'] ?? []) row[1] = 7;
      rows['shown']?.reverse();
    });
  });

  test('of replies ends with what the business received', () => {
    const window = new WindowRecord(0, 1, true);
    window.take('submitted', Float64Array.from([0, 0, 7, 7, 1, 1, 1, 0, 7, 7, 2, 2]));
    window.take('accepted', Float64Array.from([0, 3, 1, 1, 3, 2]));
    window.take('received', Float64Array.from([0, 7, 0, 9]));
    assert.match([...window.record.problems()].join(), /^NO-LOSS: reply 1 .* nowhere/u);
    window.take('received', Float64Array.from([1, 7, 0, 9]));
    assert.deepEqual([...window.record.problems()], []);
    assert.equal(window.record.ended, 2);
  });
});
