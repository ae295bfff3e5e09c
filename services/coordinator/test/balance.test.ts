/** Ranges that are placed by their load: what every plan keeps to, and that moves come to an end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import fc from 'fast-check';
import { usualDecisions } from '../src/decision-settings.ts';
import { idleRangeCost } from '../src/limits.ts';
import { planAssignments, type Circumstances, type Placement } from '../src/plan.ts';
import type { RangeLoads } from '../src/range-loads.ts';

interface Cluster {
  readonly shards: readonly ShardInfo[];
  readonly ranges: readonly Range[];
  /** By range id, commands a second. */
  readonly rates: ReadonlyMap<string, number>;
}

/** @param owners of each range its shard and its commands a second */
function clusterOf(
  shards: readonly { readonly id: string; readonly zone?: string; readonly capacity?: number }[],
  owners: readonly (readonly [string, number])[],
): Cluster {
  const ranges = owners.map(([owner], index): Range => ({
    id: `r${index + 1}`,
    start: '',
    end: endOfNumbers,
    state: 'active',
    owner,
    ownerInstance: `${owner}-1`,
    epoch: 1,
    topic: `range-r${index + 1}`,
    store: 'main',
  }));
  const counts = { ranges: 0, rate: 1, attachedDevices: 0, load: {} };
  return {
    shards: shards.map(({ id, zone = 'a', capacity = 1_500 }) => ({
      id,
      instance: `${id}-1`,
      address: '',
      zone,
      capacity,
      ...counts,
    })),
    ranges,
    rates: new Map(ranges.map(({ id }, index) => [id, owners[index]?.[1] ?? 0])),
  };
}

function loadsOf(rates: ReadonlyMap<string, number>, atMs = 0): RangeLoads {
  const common = { sinceMs: -7_200_000, peaks: [], position: 0, atMs, weight: 1 };
  const byRange = new Map([...rates].map(([id, rate]) => [id, { rate, ...common }]));
  return { sinceMs: -7_200_000, atMs, byRange };
}

/** Every range is reported by its owner, but for those that are on their way. */
function planned(
  { shards, ranges, rates }: Cluster,
  more: Partial<Circumstances> = {},
  onTheWay: ReadonlySet<string> = new Set(),
): Placement {
  const reporting = shards.map((shard) => {
    const own = ranges.filter(({ owner, id }) => owner === shard.id && !onTheWay.has(id));
    return { ...shard, load: Object.fromEntries(own.map(({ id }) => [id, { nextOffset: 0, rate: 0 }])) };
  });
  return planAssignments(ranges, reporting, new Set(), { loads: loadsOf(rates), ...more });
}

function moved(cluster: Cluster, { assignments }: Placement): Cluster {
  const to = new Map(assignments.map(({ range, shard }) => [range.id, shard]));
  const ranges = cluster.ranges.map((range): Range => {
    const shard = to.get(range.id);
    return shard === undefined ? range : { ...range, owner: shard.id, ownerInstance: shard.instance };
  });
  return { ...cluster, ranges };
}

const movesOf = ({ moves }: Placement): string[] => moves.map(({ range, shard }) => `${range.id} -> ${shard.id}`);

function fullnessOf({ shards, ranges, rates }: Cluster): Map<string, number> {
  return new Map(
    shards.map(({ id, capacity }) => {
      const own = ranges.filter(({ owner }) => owner === id);
      return [id, own.reduce((sum, range) => sum + (rates.get(range.id) ?? 0) + idleRangeCost, 0) / capacity];
    }),
  );
}

/** Looks until nothing moves any more. @returns what it came to, and after how many looks */
function comesToRest(cluster: Cluster): { readonly rest: Cluster; readonly looks: number } {
  let now = cluster;
  const lastMove = new Map<string, number>();
  for (let looks = 0; ; looks += 1) {
    // Resting keeps moves from coming back; here nothing rests, and they must not want to.
    const settings = { ...usualDecisions, moveRestMs: 0 };
    const placement = planned(now, { settings, movedAtMs: lastMove });
    if (placement.moves.length === 0) return { rest: now, looks };
    assert.ok(looks <= 4 * cluster.ranges.length, 'ranges go back and forth');
    for (const { range } of placement.moves) lastMove.set(range.id, 0);
    now = moved(now, placement);
  }
}

const clusters = fc
  .record({
    shards: fc.array(
      fc.record({ capacity: fc.constantFrom(750, 1_500, 3_000), zone: fc.constantFrom('a', 'b', 'c') }),
      { minLength: 1, maxLength: 6 },
    ),
    ranges: fc.array(
      fc.record({
        owner: fc.nat(5),
        // Most have little, some much.
        rate: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 }), fc.double({ min: 0, max: 700, noNaN: true })),
      }),
      { maxLength: 50 },
    ),
  })
  .map(({ shards, ranges }) =>
    clusterOf(
      shards.map((shard, index) => ({ id: `s${index}`, ...shard })),
      ranges.map(({ owner, rate }) => [`s${owner % shards.length}`, rate]),
    ),
  );

test('with a load that stays, moves come to an end, and the fullest shard never becomes fuller', () => {
  fc.assert(
    fc.property(clusters, (cluster) => {
      let now = cluster;
      for (let look = 0; look < 200; look += 1) {
        const placement = planned(now, { settings: { ...usualDecisions, moveRestMs: 0 } });
        if (placement.moves.length === 0) return;
        const next = moved(now, placement);
        const [before, after] = [now, next].map((each) => Math.max(...fullnessOf(each).values()));
        assert.ok((after ?? 0) <= (before ?? 0) * (1 + 1e-6), `${before} became ${after}`);
        now = next;
      }
      assert.fail('it does not come to an end');
    }),
  );
});

test('rest comes after few looks for each range, and is rest', () => {
  fc.assert(
    fc.property(clusters, (cluster) => {
      const { rest, looks } = comesToRest(cluster);
      assert.ok(looks <= 3 * cluster.ranges.length);
      assert.deepEqual(planned(rest).moves, []);
    }),
    { numRuns: 200 },
  );
});

test('never more than its share of the ranges and of the load is on the way, but for one range that is alone', () => {
  const onTheWay = fc.integer({ min: 0, max: 4 });
  fc.assert(
    fc.property(clusters, onTheWay, (cluster, count) => {
      const going = new Set(cluster.ranges.slice(0, count).map(({ id }) => id));
      const { moves } = planned(cluster, {}, going);
      if (moves.length === 0) return;
      const load = (ids: Iterable<string>): number =>
        [...ids].reduce((sum, id) => sum + (cluster.rates.get(id) ?? 0), 0);
      const total = going.size + moves.length;
      assert.ok(total <= Math.max(1, cluster.ranges.length * 0.05), `${total} of ${cluster.ranges.length}`);
      const onItsWay = load([...going, ...moves.map(({ range }) => range.id)]);
      assert.ok(total === 1 || onItsWay <= load(cluster.rates.keys()) * 0.05 + 1e-6);
    }),
  );
});

test('what noise of a twentieth moves, it does not move back', () => {
  const noise = fc.array(fc.double({ min: -0.05, max: 0.05, noNaN: true }), { minLength: 50, maxLength: 50 });
  fc.assert(
    fc.property(clusters, noise, (cluster, swings) => {
      const { rest } = comesToRest(cluster);
      const rates = new Map([...rest.rates].map(([id, rate], index) => [id, rate * (1 + (swings[index] ?? 0))]));
      const placement = planned({ ...rest, rates });
      const back = planned({ ...moved(rest, placement), rates: rest.rates });
      const ids = new Set(placement.moves.map(({ range }) => range.id));
      assert.ok(!back.moves.some(({ range }) => ids.has(range.id)));
    }),
    { numRuns: 300 },
  );
});

test('at rest no load moves anything that swings by a tenth for every range by itself', () => {
  const loads = Array.from({ length: 64 }, (_, index) => [`s${(index % 4) + 1}`, 20 + (index % 7) * 10] as const);
  const { rest } = comesToRest(
    clusterOf(
      ['s1', 's2', 's3', 's4'].map((id) => ({ id })),
      loads,
    ),
  );
  const swing = fc.array(fc.double({ min: 0.9, max: 1.1, noNaN: true }), { minLength: 64, maxLength: 64 });
  fc.assert(
    fc.property(swing, (factors) => {
      const rates = new Map([...rest.rates].map(([id, rate], index) => [id, rate * (factors[index] ?? 1)]));
      assert.deepEqual(planned({ ...rest, rates }).moves, []);
    }),
  );
});

test('a shard that joins has its share after rounds that are few, of 64 ranges and of 1,000', () => {
  for (const [count, roundsMax] of [
    [64, 7],
    [1_000, 6],
  ] as const) {
    const before = clusterOf(
      ['s1', 's2', 's3', 's4'].map((id) => ({ id })),
      Array.from({ length: count }, (_, index) => [`s${(index % 4) + 1}`, (3_000 / count) * (0.8 + (index % 5) / 10)]),
    );
    const [joined] = clusterOf([{ id: 's5' }], []).shards;
    assert.ok(joined !== undefined);
    const { rest, looks } = comesToRest({ ...before, shards: [...before.shards, joined] });
    assert.ok(looks <= roundsMax, `${count} ranges took ${looks} rounds`);
    const all = fullnessOf(rest);
    const mean = [...all.values()].reduce((sum, each) => sum + each, 0) / 5;
    assert.ok((all.get('s5') ?? 0) > mean * 0.85, `s5 has ${all.get('s5')} of ${mean}`);
  }
});

test('the shard with the load gives, whatever the number of ranges; the largest relief comes first', () => {
  const shards = [{ id: 's1' }, { id: 's2' }];
  const cluster = clusterOf(shards, [
    ['s1', 500],
    ['s1', 300],
    ['s2', 20],
    ['s2', 20],
    ['s2', 20],
  ]);
  assert.deepEqual(movesOf(planned(cluster)), ['r2 -> s2']);
  assert.equal(planned(cluster).assignments[0]?.why, 'for balance: s1 is at 53.3 %, s2 at 4.0 %');
});

test('zones come first, and a zone alone is not made to carry what its shards cannot', () => {
  const shards = [
    { id: 'a1', zone: 'a' },
    { id: 'a2', zone: 'a' },
    { id: 'b1', zone: 'b' },
    { id: 'b2', zone: 'b' },
  ];
  const loads = Array.from({ length: 8 }, (_, index) => [index < 4 ? 'a1' : 'a2', 100] as const);
  const placement = planned(clusterOf(shards, loads));
  assert.deepEqual(movesOf(placement), ['r4 -> b1']);
  assert.match(placement.assignments[0]?.why ?? '', /zone a is at 26\.7 %, zone b at 0 ranges/u);
  const { rest } = comesToRest(clusterOf(shards, loads));
  assert.deepEqual(
    [...fullnessOf(rest).values()].map((each) => each.toFixed(3)),
    Array(4).fill('0.147'),
  );
});

test('what stays, and why, is said', () => {
  const one = clusterOf(
    [{ id: 's1' }, { id: 's2' }],
    [
      ['s1', 900],
      ['s1', 0],
      ['s2', 0],
    ],
  );
  const [stays] = planned(one).held;
  assert.equal(stays?.what, 's1');
  assert.match(stays?.why ?? '', /it is at 60\.0 %, s2 at 1 ranges, but .* the largest is r1 with 900 a second/u);
  const pinned = planned(one, { pins: new Map([['r1', 's1']]) }).held;
  assert.deepEqual(pinned[0], { what: 'r1', why: 'the operator wants it on s1' });
  const young = { ...loadsOf(one.rates), sinceMs: -1_000 };
  assert.deepEqual(planned(one, { loads: young }).held, [
    { what: 'moves', why: 'who leads has not watched the load for 30 s yet' },
  ]);
  const reshaped = planned(one, { reshaped: new Set(['r1']) }).held;
  assert.ok(reshaped.some(({ what, why }) => what === 'r1' && why === 'it is being split or merged'));
});

test('a range that was moved for balance stays for a while, whatever its load does', () => {
  const cluster = clusterOf(
    [{ id: 's1' }, { id: 's2' }],
    [
      ['s1', 300],
      ['s1', 300],
      ['s2', 10],
    ],
  );
  const [first] = planned(cluster).moves;
  assert.ok(first !== undefined);
  const movedAtMs = new Map(cluster.ranges.map(({ id }) => [id, -60_000]));
  const { moves, held } = planned(cluster, { movedAtMs });
  assert.deepEqual(moves, []);
  assert.ok(held.some(({ why }) => why === '3 ranges were moved within 10 min and stay'));
  const joinedAtMs = new Map([['s2', -30_000]]);
  assert.equal(planned(cluster, { movedAtMs, joinedAtMs }).moves.length, 1, 'a shard that joined later has its share');
});
