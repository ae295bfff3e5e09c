import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import fc from 'fast-check';
import { movesShareMax } from '../src/limits.ts';
import { planAssignments as plan, type Assignment } from '../src/plan.ts';
import type { RangeLoads } from '../src/range-loads.ts';

/** Watched for long, and nothing came in. */
const watched: RangeLoads = { sinceMs: -3_600_000, atMs: 0, byRange: new Map() };

/** What is to be done now. */
const planAssignments = (
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  missing: ReadonlySet<string>,
): readonly Assignment[] => plan(ranges, shards, missing, { loads: watched }).assignments;

function shardOf(id: string, options: Partial<ShardInfo> = {}): ShardInfo {
  const counts = { capacity: 1_000, ranges: 0, rate: 0, attachedDevices: 0, load: {} };
  return { id, instance: `${id}-now`, address: `unix:/${id}`, zone: 'a', ...counts, ...options };
}

function rangeOf(id: string, owner?: string, ownerInstance = owner === undefined ? undefined : `${owner}-now`): Range {
  const bounds = { start: '', end: endOfNumbers, topic: `range-${id}`, store: 'main' };
  return { id, state: 'active', owner, ownerInstance, epoch: 1, ...bounds };
}

/** The table after the assignments, as the coordinator writes it. */
function apply(ranges: readonly Range[], assignments: readonly Assignment[]): Range[] {
  const given = new Map(assignments.map(({ range, shard }) => [range.id, shard]));
  return ranges.map((range) => {
    const shard = given.get(range.id);
    if (shard === undefined) return range;
    return { ...range, owner: shard.id, ownerInstance: shard.instance, epoch: range.epoch + 1 };
  });
}

const zoneNames = ['a', 'b', 'c'] as const;

const cluster = fc
  .record({
    shards: fc.array(
      fc.record({
        capacity: fc.constantFrom(500, 1_000, 1_500, 2_000),
        zone: fc.constantFrom(...zoneNames),
        rate: fc.integer({ min: 0, max: 2_000 }),
        isLeaving: fc.boolean(),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    owners: fc.array(fc.option(fc.integer({ min: 0, max: 8 }), { nil: undefined }), { maxLength: 40 }),
    restarted: fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
    silent: fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
  })
  .map(({ shards: drawn, owners, restarted, silent }) => {
    const ranges = owners.map((owner, index) => {
      if (owner === undefined) return rangeOf(`r${index}`);
      return rangeOf(`r${index}`, `s${owner}`, restarted[owner] ? `s${owner}-before` : `s${owner}-now`);
    });
    const shards = drawn.map((options, index) => shardOf(`s${index}`, options));
    const isAlive = (id: string): boolean => shards.some((shard) => shard.id === id);
    const missing = new Set(
      silent.flatMap((isSilent, index) => (isSilent && !isAlive(`s${index}`) ? [`s${index}`] : [])),
    );
    return { shards, ranges, missing };
  });

/** Every shard says that it works on what the table gives it. */
function reporting(shards: readonly ShardInfo[], ranges: readonly Range[]): ShardInfo[] {
  const idle = { nextOffset: 0, rate: 0 };
  return shards.map((shard) => {
    const held = ranges.filter((range) => isHeld(range, [shard]));
    return { ...shard, load: Object.fromEntries(held.map(({ id }) => [id, idle])) };
  });
}

/** Looks until nothing moves any more, and says after how many. */
function comesToRest(
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  missing: ReadonlySet<string>,
): { table: Range[]; looks: number } {
  let table = [...ranges];
  for (let looks = 0; ; looks += 1) {
    const assignments = planAssignments(table, reporting(shards, table), missing);
    if (assignments.length === 0) return { table, looks };
    assert.ok(looks <= ranges.length + 1, 'ranges go back and forth');
    table = apply(table, assignments);
  }
}

/** No place has more for its capacity than another would have with one more. */
function assertFair(places: readonly { readonly count: number; readonly capacity: number }[]): void {
  for (const one of places)
    for (const other of places)
      assert.ok(
        one.count * other.capacity <= (other.count + 1) * one.capacity,
        `${one.count} of ${one.capacity}, ${other.count} of ${other.capacity}`,
      );
}

function assertFairBetweenAndInZones(ranges: readonly Range[], shards: readonly ShardInfo[]): void {
  const staying = shards.filter(({ isLeaving }) => isLeaving !== true);
  const placeOf = (members: readonly ShardInfo[]): { count: number; capacity: number } => ({
    count: ranges.filter(({ owner }) => members.some(({ id }) => id === owner)).length,
    capacity: members.reduce((sum, { capacity }) => sum + capacity, 0),
  });
  const zones = [...Map.groupBy(staying, ({ zone }) => zone).values()];
  assertFair(zones.map(placeOf));
  for (const zone of zones) assertFair(zone.map((shard) => placeOf([shard])));
}

const isHeld = (range: Range, shards: readonly ShardInfo[]): boolean =>
  shards.some(({ id, instance }) => id === range.owner && instance === range.ownerInstance);

test('every range gets a living owner as soon as there is a shard, but those of a shard that may be back', () => {
  fc.assert(
    fc.property(cluster, ({ shards, ranges, missing }) => {
      const canTake = shards.some(({ isLeaving }) => isLeaving !== true);
      for (const range of apply(ranges, planAssignments(ranges, shards, missing))) {
        const waits = range.owner !== undefined && missing.has(range.owner);
        if (canTake || waits) assert.equal(isHeld(range, shards), !waits);
      }
    }),
  );
});

test('no range is moved without need: of living owners that stay a share at once, and none while others are without', () => {
  fc.assert(
    fc.property(cluster, ({ shards, ranges, missing }) => {
      const staying = shards.filter(({ isLeaving }) => isLeaving !== true);
      const assignments = planAssignments(ranges, reporting(shards, ranges), missing);
      const moved = assignments.filter(({ range }) => isHeld(range, staying));
      assert.ok(moved.length === 0 || assignments.length === moved.length);
      assert.ok(moved.length <= Math.max(1, ranges.length * movesShareMax));
      if (moved.length > 0) assert.ok(missing.size === 0 || ranges.every(({ owner }) => !missing.has(owner ?? '')));
      for (const { shard } of assignments) assert.notEqual(shard.isLeaving, true);
    }),
  );
});

test('repeated looks come to rest, with shares by capacity between the zones and within each', () => {
  fc.assert(
    fc.property(cluster, ({ shards, ranges, missing }) => {
      const { table } = comesToRest(ranges, shards, missing);
      const canTake = shards.some(({ isLeaving }) => isLeaving !== true);
      if (canTake && missing.size === 0) assertFairBetweenAndInZones(table, shards);
    }),
  );
});

test('when a shard dies its ranges are spread at once as evenly as the others stand, and only they move', () => {
  fc.assert(
    fc.property(cluster, fc.nat(), ({ shards: drawn, ranges }, chosen) => {
      const shards = drawn.map((shard) => ({ ...shard, isLeaving: false }));
      const { table } = comesToRest(ranges, shards, new Set());
      const dead = shards[chosen % shards.length];
      const left = shards.filter((shard) => shard !== dead);
      const assignments = planAssignments(table, reporting(left, table), new Set());
      if (left.length === 0) return;
      const orphans = table.filter(({ owner }) => owner === dead?.id).map(({ id }) => id);
      if (orphans.length > 0) {
        const given = assignments.map(({ range }) => range.id);
        assert.deepEqual(given.toSorted(), orphans.toSorted());
      }
    }),
  );
});

test('a shard that dies in a cluster with equal zones leaves them equal for their capacity, without a second move', () => {
  const shards = ['a', 'a', 'b', 'b'].map((zone, index) => shardOf(`s${index}`, { zone }));
  const { table } = comesToRest(
    Array.from({ length: 16 }, (_, index) => rangeOf(`r${index}`)),
    shards,
    new Set(),
  );
  const left = shards.slice(1);
  const { table: after, looks } = comesToRest(table, left, new Set());
  assert.equal(looks, 1);
  assertFairBetweenAndInZones(after, left);
});

test('nothing is balanced while a shard is silent, or while a range was given and not yet taken', () => {
  const table = ['r1', 'r2', 'r3', 'r4'].map((id) => rangeOf(id, 's1'));
  const both = [shardOf('s1'), shardOf('s2')];
  assert.equal(planAssignments(table, reporting(both, table), new Set()).length, 1);
  assert.deepEqual(planAssignments(table, reporting(both, table), new Set(['s3'])), []);
  assert.deepEqual(planAssignments(table, reporting(both, table.slice(1)), new Set()), []);
});

test('a shard that was restarted gets its ranges back, under the next epoch', () => {
  const ranges = [rangeOf('r1', 's1', 's1-before'), rangeOf('r2', 's1', 's1-before'), rangeOf('r3', 's2')];
  const assignments = planAssignments(ranges, [shardOf('s1'), shardOf('s2')], new Set());
  assert.deepEqual(
    assignments.map(({ range, shard }) => [range.id, shard.id]),
    [
      ['r1', 's1'],
      ['r2', 's1'],
    ],
  );
});

test('ranges without an owner are shared by capacity', () => {
  const ranges = ['r1', 'r2', 'r3', 'r4', 'r5', 'r6'].map((id) => rangeOf(id));
  const shards = [shardOf('s1', { capacity: 500 }), shardOf('s2', { capacity: 1_000 })];
  const given = planAssignments(ranges, shards, new Set()).map(({ shard }) => shard.id);
  assert.deepEqual([given.filter((id) => id === 's1').length, given.filter((id) => id === 's2').length], [2, 4]);
});

test('without a shard nothing is assigned', () => {
  assert.deepEqual(planAssignments([rangeOf('r1'), rangeOf('r2', 's1')], [], new Set()), []);
});

test('a range that waits for a person to look stays where that is known', () => {
  const ranges = ['r1', 'r2', 'r3', 'r4'].map((id) => rangeOf(id, 's1'));
  const stopped = { rate: 0, problem: 'stopped: the store is older', isStopped: true };
  const loads = { r1: { rate: 0 }, r2: { rate: 0 }, r3: stopped, r4: stopped };
  const moved = planAssignments(ranges, [shardOf('s1', { load: loads }), shardOf('s2')], new Set());
  assert.deepEqual(
    moved.map(({ range, shard }) => [range.id, shard.id]),
    [['r2', 's2']],
  );
});
