import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { noneBeyond, withDone } from '../src/done-beyond.ts';
import type { Progress } from '../src/fence.ts';
import { aboveShareMax, batchBytesMax } from '../src/limits.ts';
import { ReadAhead } from '../src/read-ahead.ts';
import { anyWritten, contactOf, recordOf, type Written } from './range-log.ts';

const fresh: Progress = {
  epoch: 1,
  instance: 'one',
  incarnation: 1,
  nextOffset: 0,
  doneBeyond: noneBeyond,
  commitNo: 0,
  eventNo: 0,
  publishedNo: 0,
  lastOffset: -1,
  lastId: '',
  lastTimeMs: 0,
  floorTimeMs: 0,
};

function aheadOf(claimed: Progress = fresh, recordsMax = 100, bytesMax = 2 ** 30): ReadAhead {
  return new ReadAhead(claimed, { recordsMax, bytesMax: () => bytesMax });
}

/** What a commit of the first of those that were looked at leaves in the row. */
function commit(
  ahead: ReadAhead,
  held: Progress,
  look: number,
  cut: number,
): { held: Progress; done: readonly [number, number][] } {
  const commands = ahead.look(look).slice(0, cut);
  const advanced = withDone(
    held,
    commands.map(({ record }) => record.offset),
  );
  const highest = commands.toSorted((a, b) => b.record.offset - a.record.offset)[0];
  const isHigher = highest !== undefined && highest.record.offset > held.lastOffset;
  const now: Progress = {
    ...held,
    ...advanced,
    floorTimeMs: advanced.nextOffset > held.nextOffset ? ahead.timeBelow(advanced.nextOffset) : held.floorTimeMs,
    ...(isHigher ? { lastOffset: highest.record.offset, lastTimeMs: highest.timeMs } : {}),
  };
  ahead.done(commands.length, now.nextOffset);
  return { held: now, done: commands.map(({ record, timeMs }) => [record.offset, timeMs]) };
}

test('NO-LOSS, ONCE: whoever takes over in the middle does exactly what is left, at the times it would have had', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ written: anyWritten, stepMs: fc.integer({ min: -5, max: 5 }) }), { maxLength: 50 }),
      fc.infiniteStream(
        fc.record({ read: fc.nat(6), look: fc.integer({ min: 1, max: 8 }), cut: fc.nat(8), isTakenOver: fc.boolean() }),
      ),
      (all, steps) => {
        let appendMs = 1_000;
        const records = all.map(({ written, stepMs }, offset) => recordOf(written, offset, (appendMs += stepMs)));
        const times = records.map((_, offset) =>
          Math.max(...records.slice(0, offset + 1).map((each) => each.appendTimeMs)),
        );
        let [held, ahead, readTo] = [fresh, aheadOf(fresh, 12), 0];
        const done = new Map<number, number>();
        for (const { read, look, cut, isTakenOver } of steps) {
          if (done.size === records.length) break;
          if (isTakenOver) {
            ahead = aheadOf(held, 12);
            readTo = held.nextOffset;
          }
          const more = records.slice(readTo, readTo + Math.min(read, ahead.room));
          ahead.add(more);
          readTo += more.length;
          assert.ok(readTo - held.nextOffset <= 12, 'no more is read than may be');
          const turn = commit(ahead, held, look, cut);
          held = turn.held;
          for (const [offset, timeMs] of turn.done) {
            assert.ok(!done.has(offset), `${offset} was done twice`);
            assert.equal(timeMs, times[offset]);
            done.set(offset, timeMs);
          }
          if (held.nextOffset > 0) assert.equal(held.floorTimeMs, times[held.nextOffset - 1]);
          assert.equal(held.lastTimeMs, Math.max(0, ...done.values()));
          assert.equal(
            ahead.oldestAppendTimeMs,
            readTo > held.nextOffset ? records[held.nextOffset]?.appendTimeMs : undefined,
          );
        }
        assert.equal(held.nextOffset, records.length);
        assert.equal(held.doneBeyond.length, 0);
      },
    ),
  );
});

const campaign = (count: number, from = 0): ReturnType<typeof recordOf>[] =>
  Array.from({ length: count }, (_, place) => recordOf({ contact: from + place, business: 'campaign' }, from + place));

test('BOUND: it is full at its records, counted from the lowest that is not done, and at its bytes', () => {
  const ahead = aheadOf(fresh, 4);
  ahead.add(campaign(2));
  ahead.add([recordOf({ contact: 9, business: 'small' }, 2), recordOf({ contact: 10, business: 'small' }, 3)]);
  assert.equal(ahead.room, 0);
  // The campaign's first stays: its turn is taken by the other business.
  const { held } = commit(ahead, { ...fresh }, 4, 1);
  assert.deepEqual([held.nextOffset, ahead.room], [1, 1]);
  const urgent = (contact: number): Written => ({ contact, business: 'small', category: 'service' });
  const behind = aheadOf(fresh, 4);
  behind.add([
    recordOf({ contact: 1, business: 'campaign' }, 0),
    ...[1, 2, 3].map((at) => recordOf(urgent(at + 1), at)),
  ]);
  const { held: apart } = commit(behind, fresh, 3, 3);
  assert.deepEqual([apart.nextOffset, behind.size, behind.room], [0, 1, 0], 'a takeover would read four again');
  const large: Written = { contact: 1, business: 'a', bytes: batchBytesMax };
  const ofBytes = aheadOf(fresh, 100, 1);
  assert.equal(ofBytes.room, 100);
  ofBytes.add([recordOf(large, 0)]);
  assert.equal(ofBytes.room, 0);
});

test('a command that a newer version wrote stops what is behind it, and nothing before it', () => {
  const ahead = aheadOf();
  const newer = { ...recordOf({ contact: 5, business: 'a' }, 2), headers: { kind: 'merge', id: 'x', version: 1 } };
  ahead.add([...campaign(2), newer, recordOf({ contact: 6, business: 'b' }, 3)]);
  assert.deepEqual([ahead.size, ahead.room, ahead.unknown?.record.offset], [2, 0, 2]);
  const { held } = commit(ahead, fresh, 10, 10);
  assert.deepEqual([held.nextOffset, ahead.hasNext], [2, false]);
});

test('what lies beyond the seal of the topic is not done, also if it was read before that was known', () => {
  const ahead = aheadOf();
  ahead.add(campaign(5));
  assert.equal(ahead.look(10).length, 5);
  ahead.endAt(3);
  const { held } = commit(ahead, fresh, 10, 10);
  assert.deepEqual([held.nextOffset, ahead.size], [3, 0]);
  ahead.add(campaign(2, 5));
  assert.equal(ahead.look(10).length, 0);
});

test('a contact is up to date when its own commands are done, whatever else waits', () => {
  const ahead = aheadOf();
  assert.equal(ahead.isDone(contactOf(9), 0), true);
  assert.equal(ahead.isDone(contactOf(9), 4), false, 'not read yet');
  ahead.add([...campaign(3), recordOf({ contact: 9, business: 'small' }, 3)]);
  assert.equal(ahead.isDone(contactOf(9), 4), false);
  assert.equal(ahead.isDone(contactOf(8), 4), true);
  commit(ahead, fresh, 2, 2);
  assert.equal(ahead.isDone(contactOf(9), 4), true);
  assert.equal(ahead.isDone(contactOf(2), 4), false);
});

test('BOUND: businesses above their share are named, a bounded number of them, and nobody is if nobody can be refused', () => {
  const ahead = aheadOf(fresh, 100);
  ahead.add(campaign(51));
  assert.deepEqual(ahead.aboveShare(), ['campaign']);
  const ticks = aheadOf(fresh, 100);
  ticks.add(Array.from({ length: 90 }, (_, offset) => recordOf({ contact: offset }, offset)));
  assert.deepEqual(ticks.aboveShare(), []);
  const many = aheadOf(fresh, 100);
  many.add(
    Array.from({ length: 100 }, (_, offset) => recordOf({ contact: offset, business: `b${offset % 20}` }, offset)),
  );
  assert.equal(many.aboveShare().length, aboveShareMax);
  commit(ahead, fresh, 10, 10);
  assert.deepEqual(ahead.aboveShare(), []);
});
