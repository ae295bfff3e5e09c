import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Range } from '@chappe/ranges/range';
import type { RangeLoad, ShardInfo } from '@chappe/ranges/shard-info';
import { loadOf, noteEnds, type Ends } from '../src/load.ts';

const range = (id: string, owner: string, state: Range['state'] = 'active'): Range => {
  return { id, start: '', end: ':', state, owner, ownerInstance: 'i', epoch: 1, topic: `range-${id}`, store: 'main' };
};
const shard = (id: string, rate: number, load: Record<string, RangeLoad>): ShardInfo => {
  return { id, instance: 'i', address: '', zone: 'a', capacity: 1_000, ranges: 1, rate, attachedDevices: 0, load };
};

/** Ends of topics, by range, a second apart from one another, the last one now. */
function seen(lists: Record<string, readonly number[]>): Ends {
  const topics = new Set(Object.keys(lists).map((id) => `range-${id}`));
  const length = Math.max(...Object.values(lists).map(({ length: count }) => count));
  let ends: Ends = new Map();
  for (let at = 0; at < length; at += 1) {
    const now = new Map<string, number>();
    for (const [id, list] of Object.entries(lists)) {
      const end = list[at];
      if (end !== undefined) now.set(`range-${id}`, end);
    }
    ends = noteEnds(ends, topics, now, at * 1_000);
  }
  return ends;
}

test('what arrives is what the logs grew by, whatever the shards report', () => {
  const ends = seen({ a: [0, 100, 200, 300], b: [50, 50, 50, 80] });
  const load = loadOf(ends, [range('a', 's1'), range('b', 's2')], [shard('s1', 5, {}), shard('s2', 0, {})], 3_000);
  assert.equal(load.arrivals, 110);
});

test('the oldest command is as old as the first look that saw it', () => {
  const ends = seen({ a: Array.from({ length: 31 }, (_, second) => second * 10) });
  const at = (nextOffset: number) =>
    loadOf(ends, [range('a', 's1')], [shard('s1', 10, { a: { rate: 10, nextOffset } })], 30_000);
  assert.deepEqual([at(300).backlog, at(300).backlogAgeMs], [0, 0]);
  assert.deepEqual([at(200).backlog, at(200).backlogAgeMs], [100, 9_000]);
});

test('a shard that is behind shows its capacity; one that waits for something else does not', () => {
  const ends = seen({ a: Array.from({ length: 31 }, (_, second) => second * 1_000) });
  const at = (rate: number) =>
    loadOf(ends, [range('a', 's1')], [shard('s1', rate, { a: { rate, nextOffset: 0 } })], 30_000);
  assert.deepEqual([at(600).capacity, at(600).isCapacityMeasured], [600, true]);
  assert.deepEqual([at(3).capacity, at(3).isCapacityMeasured], [1_000, false]);
});

test('a range that does not get on counts as blocked, and not as a backlog that more shards would work off', () => {
  const ends = seen({ a: [0, 1_000, 2_000] });
  const problem = { rate: 0, nextOffset: 0, problem: 'the database is away' };
  const load = loadOf(ends, [range('a', 's1')], [shard('s1', 0, { a: problem })], 2_000);
  assert.deepEqual([load.blocked, load.backlog, load.backlogAgeMs], [1, 0, 0]);
});

test('a range whose log was never answered for makes the whole unknown', () => {
  const ends = seen({ a: [0, 10], b: [] });
  assert.equal(loadOf(ends, [range('a', 's1'), range('b', 's1')], [], 1_000).arrivals, undefined);
  assert.equal(loadOf(ends, [range('a', 's1'), range('b', 's1', 'sealed')], [], 1_000).arrivals, 10);
});
