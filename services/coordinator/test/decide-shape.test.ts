/** Splits and merges by load: when, where, why, and why not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Range } from '@chappe/ranges/range';
import type { Reshape } from '@chappe/ranges/reshape';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { decideShape, type Shape, type ShapeView } from '../src/decide-shape.ts';
import { usualDecisions } from '../src/decision-settings.ts';
import { initialRanges } from '../src/initial-ranges.ts';
import type { AveragedLoad } from '../src/range-loads.ts';

const hour = 3_600_000;

interface Drawn {
  readonly rate: number;
  /** The highest of the last hour. Absent: as now. */
  readonly peak?: number;
  readonly median?: string;
  readonly watchedMs?: number;
  readonly shard?: string;
  readonly problem?: string;
  readonly waits?: number;
}

/** Ranges [, 11), [11, 12), ... as drawn, over two shards unless they name one. */
function viewOf(drawn: readonly Drawn[], more: Partial<ShapeView> = {}, capacity = 1_000): ShapeView {
  const bounds = drawn.slice(1).map((_, index) => String(11 + index));
  const ranges = initialRanges(bounds, 'main').map((range, index): Range => {
    const owner = drawn[index]?.shard ?? `s${(index % 2) + 1}`;
    return { ...range, owner, ownerInstance: `${owner}-1` };
  });
  const owners = new Set(['s1', 's2', ...ranges.flatMap(({ owner }) => owner ?? [])]);
  const shards = [...owners].map((id): ShardInfo => {
    const own = ranges
      .map((range, index) => ({ range, ...(drawn[index] ?? { rate: 0 }) }))
      .filter(({ range }) => range.owner === id);
    return {
      id,
      instance: `${id}-1`,
      address: '',
      zone: 'a',
      capacity,
      ranges: own.length,
      rate: own.reduce((sum, { rate }) => sum + rate, 0),
      attachedDevices: 0,
      load: Object.fromEntries(
        own.map(({ range, rate, median, problem, waits }) => [
          range.id,
          {
            rate,
            nextOffset: 1_000,
            ...(median === undefined ? {} : { median }),
            ...(problem === undefined ? {} : { problem }),
            ...(waits === undefined ? {} : { end: 1_000 + waits }),
          },
        ]),
      ),
    };
  });
  const byRange = new Map(
    ranges.map(({ id }, index): [string, AveragedLoad] => {
      const { rate, peak = rate, watchedMs = 2 * hour } = drawn[index] ?? { rate: 0 };
      const peaks = [{ fromMs: -60_000, rate: peak }];
      return [id, { rate, peaks, sinceMs: -watchedMs, atMs: 0, position: 1_000, weight: 1 }];
    }),
  );
  return {
    ranges,
    shards,
    loads: { sinceMs: -2 * hour, atMs: 0, byRange },
    reshapes: [],
    pins: new Map(),
    rangesLeast: 4,
    nowMs: 10 * hour,
    settings: usualDecisions,
    ...more,
  };
}

const quiet = (count: number): Drawn[] => Array.from({ length: count }, () => ({ rate: 40 }));

function reshapeOf(more: Partial<Reshape>): Reshape {
  return {
    id: 'x',
    step: 'active',
    old: ['r0'],
    cuts: [],
    made: [],
    ends: {},
    reason: '',
    sinceMs: 10 * hour,
    ...more,
  };
}

const said = ({ actions }: Shape): string[] =>
  actions.map(({ kind, ranges, cuts, why }) => `${kind} ${ranges.join('+')} ${cuts.join()}: ${why}`);
const heldOf = ({ held }: Shape, what: string): string[] =>
  held.filter((one) => one.what === what).map(({ why }) => why);

test('a range that takes half of a shard is split where half of its load is on each side', () => {
  const view = viewOf([...quiet(6), { rate: 620, median: '163' }]);
  assert.deepEqual(said(decideShape(view)), [
    'split r7 163: 620 commands a second are more than 50 % of the 1000 that a shard takes; half of it is below 163',
  ]);
  assert.deepEqual(said(decideShape(viewOf([...quiet(6), { rate: 490, median: '163' }], {}, 1_000))), [
    'split r7 163: 490 commands a second are more than the 365 that a shard has on average, and than 25 % of what it takes; half of it is below 163',
  ]);
});

test('below a fourth of a shard nothing is split, and none that is not above what a shard has on average', () => {
  assert.deepEqual(said(decideShape(viewOf([...quiet(6), { rate: 240, median: '163' }]))), []);
  const even = Array.from({ length: 4 }, () => ({ rate: 400, median: '1' }));
  assert.deepEqual(said(decideShape(viewOf(even))), []);
});

test('the hottest come first, two at a time, the others wait for them', () => {
  const hot = [700, 900, 800].map((rate, index) => ({ rate, median: index === 0 ? '05' : `1${index}5` }));
  const shape = decideShape(viewOf([...hot, ...quiet(5)]));
  assert.deepEqual(
    shape.actions.map(({ ranges }) => ranges.join()),
    ['r2', 'r3'],
  );
  assert.deepEqual(
    shape.later.map(({ ranges }) => ranges.join()),
    ['r1'],
  );
  assert.deepEqual(heldOf(shape, 'splits and merges'), ['2 reshapes go on at once']);
});

test('what an operator wants goes first, and is not touched', () => {
  const drawn = [{ rate: 700, median: '05' }, ...quiet(5)];
  const waiting = decideShape(viewOf(drawn, { reshapes: [reshapeOf({ step: 'requested', old: ['r3'] })] }));
  assert.deepEqual([waiting.actions, heldOf(waiting, 'splits and merges')], [[], ['reshape x of r3 comes first']]);
  const same = decideShape(viewOf(drawn, { reshapes: [reshapeOf({ step: 'prepared', old: ['r1'] })] }));
  assert.deepEqual([same.actions, same.later], [[], []]);
});

test('why a hot range is not split is said', () => {
  const why = (drawn: Partial<Drawn>, more: Partial<ShapeView> = {}): string[] => {
    const shape = decideShape(viewOf([...quiet(6), { rate: 600, median: '163', ...drawn }], more));
    assert.deepEqual(shape.actions, []);
    return heldOf(shape, 'r7').map((text) => text.replace(/^.*, but /u, ''));
  };
  const { settings } = viewOf([]);
  assert.deepEqual(why({ watchedMs: 20_000 }), ['it was not watched for 30 s yet']);
  const made = reshapeOf({ made: ['r7', 'r8'], cuts: ['2'], sinceMs: 10 * hour - 60_000 });
  assert.deepEqual(why({}, { reshapes: [made] }), ['it was made less than 120 s ago']);
  const undone = reshapeOf({
    step: 'undone',
    old: ['r7'],
    problem: 'its topics could not be sealed',
    sinceMs: 10 * hour - 60_000,
  });
  assert.deepEqual(why({}, { reshapes: [undone] }), ['a reshape of it was taken back: its topics could not be sealed']);
  assert.deepEqual(why({ median: '12' }), ['its worker has not seen yet where its middle is']);
  const withoutMedian = viewOf([...quiet(6), { rate: 600 }]);
  assert.match(
    heldOf(decideShape(withoutMedian), 'r7').join(),
    /half of its commands are of one contact, which no cut/u,
  );
  assert.deepEqual(
    decideShape(viewOf([{ rate: 900, median: '05' }], { settings: { ...settings, isReshaping: false } })).held,
    [
      {
        what: 'splits and merges',
        why: 'only operators ask for them here (in a cluster: CHAPPE_RESHAPE_BY_LOAD=false)',
      },
    ],
  );
});

test('one shard is never a reason to split, nor is a range whose owner does not get on', () => {
  const view = viewOf([{ rate: 900, median: '05', shard: 's1' }]);
  const alone = decideShape({ ...view, shards: view.shards.filter(({ id }) => id === 's1') });
  assert.deepEqual(
    [alone.actions, heldOf(alone, 'splits and merges')],
    [[], ['there is one shard: no range could go elsewhere']],
  );
  assert.deepEqual(
    said(decideShape(viewOf([{ rate: 900, median: '05', problem: 'the store is away' }, ...quiet(6)]))),
    [],
  );
});

test('shards that are behind show what they take: what is hot is measured by that', () => {
  // Both do 300 a second of the 1,000 that they say, and what waits is for more than 15 s.
  const drawn = [
    { rate: 200, median: '05', shard: 's1', waits: 9_000 },
    { rate: 100, shard: 's1' },
    { rate: 30, shard: 's2' },
  ];
  assert.deepEqual(said(decideShape(viewOf([...drawn, ...quiet(3)]))), [
    'split r1 05: 200 commands a second are more than 50 % of the 340 that a shard takes; half of it is below 05',
  ]);
});

test('the coldest neighbours are merged, as long as there are more than are needed', () => {
  const drawn = [...quiet(4), { rate: 1, peak: 12 }, { rate: 0, peak: 3 }, { rate: 2, peak: 4 }, ...quiet(3)];
  assert.deepEqual(said(decideShape(viewOf(drawn))), [
    'merge r6+r7 : never more than 7.0 commands a second together within 60 min, and 10 ranges are more than the 8 that are needed',
  ]);
  assert.deepEqual(heldOf(decideShape(viewOf(drawn, { rangesLeast: 10 })), 'merges'), [
    'there are 10 ranges, and not fewer than 10 are to be there for 2 shards',
  ]);
});

test('what was warm within the hour, is pinned, in another store, or was not watched is not merged', () => {
  const cold = Array.from({ length: 10 }, (): Drawn => ({ rate: 1 }));
  assert.equal(decideShape(viewOf(cold)).actions.length, 1);
  const warm = cold.map((one, index) => (index % 2 === 0 ? { ...one, peak: 70 } : one));
  assert.deepEqual(heldOf(decideShape(viewOf(warm)), 'merges'), [
    'no two neighbours stayed below 63 commands a second for 60 min',
  ]);
  const young = cold.map((one) => ({ ...one, watchedMs: hour }));
  assert.deepEqual(heldOf(decideShape(viewOf(young)), 'merges'), [
    '9 pairs of neighbours were not watched for 60 min yet',
  ]);
  const view = viewOf(cold);
  const pins = new Map(view.ranges.filter((_, index) => index % 2 === 0).map(({ id }) => [id, 's1']));
  assert.deepEqual(decideShape({ ...view, pins }).actions, []);
  const ranges = view.ranges.map((range, index) => ({ ...range, store: `store-${index}` }));
  assert.deepEqual(decideShape({ ...view, ranges }).actions, []);
});

test('merges are a minute apart, and wait as long as anything is hot', () => {
  const cold = Array.from({ length: 10 }, (): Drawn => ({ rate: 1 }));
  const recent = reshapeOf({ old: ['r90', 'r91'], made: ['r92'], sinceMs: 10 * hour - 30_000 });
  assert.deepEqual(heldOf(decideShape(viewOf(cold, { reshapes: [recent] })), 'merges'), [
    'the last one was less than 60 s ago',
  ]);
  const mixed = decideShape(viewOf([{ rate: 700, median: '05' }, ...cold]));
  assert.deepEqual(
    [...mixed.actions, ...mixed.later].map(({ kind }) => kind),
    ['split'],
  );
});
