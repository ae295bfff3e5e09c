import assert from 'node:assert/strict';
import test from 'node:test';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { initialRanges } from '../src/initial-ranges.ts';
import { planAssignments } from '../src/plan.ts';

function shard(id: string, more: Partial<ShardInfo> = {}): ShardInfo {
  const counts = { capacity: 1_500, ranges: 0, rate: 0, attachedDevices: 0, load: {} };
  return { id, instance: `${id}-1`, address: '127.0.0.1:1', zone: 'a', ...counts, ...more };
}

/** A shard that works on those ranges. */
function holding(id: string, ...held: readonly string[]): ShardInfo {
  return shard(id, { load: Object.fromEntries(held.map((range) => [range, { nextOffset: 0, rate: 0 }])) });
}

/** One range for each owner, in order; '' has none. */
function ranges(...owners: readonly string[]): Range[] {
  const bounds = owners.slice(1).map((_, place) => String(10 + place));
  return initialRanges(bounds, 'main').map((range, place) => {
    const owner = owners[place] === '' ? undefined : owners[place];
    return { ...range, owner, ownerInstance: owner === undefined ? undefined : `${owner}-1`, epoch: 1 };
  });
}

const none = new Set<string>();
const planned = (...parameters: Parameters<typeof planAssignments>): string[] =>
  planAssignments(...parameters).assignments.map(({ range, shard: { id } }) => `${range.id} -> ${id}`);

test('ranges without an owner are spread over zones first, then over the shards in each', () => {
  const shards = [shard('a1'), shard('a2'), shard('a3'), shard('b1', { zone: 'b', capacity: 3_000 })];
  // Zone a has capacity for 4,500, zone b for 3,000.
  assert.deepEqual(planned(ranges('', '', '', '', ''), shards, none), [
    'r1 -> a1',
    'r2 -> b1',
    'r3 -> a2',
    'r4 -> a3',
    'r5 -> b1',
  ]);
});

test('zones are made equal although the shards of each have equal shares', () => {
  const shards = [holding('a1', 'r1'), holding('a2', 'r2'), holding('a3', 'r3'), { ...holding('b1', 'r4'), zone: 'b' }];
  const wide = shards.map((each) => (each.zone === 'b' ? { ...each, capacity: 4_500 } : each));
  assert.deepEqual(planned(ranges('a1', 'a2', 'a3', 'b1'), wide, none), ['r1 -> b1']);
});

test('ranges without an owner are spread evenly', () => {
  assert.deepEqual(planned(ranges('', '', '', ''), [shard('s1'), shard('s2')], none), [
    'r1 -> s1',
    'r2 -> s2',
    'r3 -> s1',
    'r4 -> s2',
  ]);
});

test('ranges of a silent shard wait until it is given up', () => {
  assert.deepEqual(planned(ranges('s1', 's2'), [shard('s2')], new Set(['s1'])), []);
  assert.deepEqual(planned(ranges('s1', 's2'), [shard('s2')], none), ['r1 -> s2']);
});

test('a shard that was started anew gets its ranges back under a new epoch', () => {
  const restarted = shard('s1', { instance: 's1-2' });
  assert.deepEqual(planned(ranges('s1', 's2'), [restarted, shard('s2')], none), ['r1 -> s1']);
});

test('the ranges of a leaving shard go to the others', () => {
  const shards = [shard('s1', { isLeaving: true }), shard('s2'), shard('s3')];
  assert.deepEqual(planned(ranges('s1', 's1', 's2'), shards, none), ['r1 -> s3', 'r2 -> s2']);
});

test('a leaving shard keeps its ranges as long as nobody else is there', () => {
  assert.deepEqual(planned(ranges('s1', 's1'), [shard('s1', { isLeaving: true })], none), []);
});

test('a shard that joins gets its share one range at a time, and nothing goes back and forth', () => {
  const before = [holding('s1', 'r1', 'r2', 'r3'), shard('s2')];
  assert.deepEqual(planned(ranges('s1', 's1', 's1'), before, none), ['r3 -> s2']);
  const after = [holding('s1', 'r1', 'r2'), holding('s2', 'r3')];
  assert.deepEqual(planned(ranges('s1', 's1', 's2'), after, none), []);
});

test('10,000 ranges over 500 shards are spread evenly by capacity', () => {
  const shards = Array.from({ length: 500 }, (_, no) => shard(`s${no}`, { capacity: no % 2 === 0 ? 1_500 : 3_000 }));
  const many = Array.from({ length: 10_000 }, (_, no) =>
    ranges('').map((range) => ({ ...range, id: `r${no}` })),
  ).flat();
  const counts = new Map<string, number>();
  for (const {
    shard: { id },
  } of planAssignments(many, shards, none).assignments)
    counts.set(id, (counts.get(id) ?? 0) + 1);
  assert.deepEqual(
    [...new Set(counts.values())].toSorted((a, b) => a - b),
    [13, 27],
  );
});
