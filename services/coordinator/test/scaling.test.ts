import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { loadLookMs, quietSeconds, scaleUpWindowMs } from '../src/limits.ts';
import type { Load } from '../src/load.ts';
import { decideScaling, wantedSenders, type ScalingSettings, type ScalingState } from '../src/scaling.ts';

const quietMs = quietSeconds.usual * 1_000;

const settingsOf = fc
  .record({
    least: fc.integer({ min: 1, max: 6 }),
    more: fc.integer({ min: 0, max: 30 }),
    aim: fc.integer({ min: 30, max: 95 }),
    zones: fc.constantFrom(1, 2, 3),
  })
  .map(({ least, more, aim, zones }): ScalingSettings => ({
    least,
    most: least + more,
    aim: aim / 100,
    zones,
    quietMs,
  }));

function load(arrivals: number | undefined, more: Partial<Load> = {}): Load {
  const calm = { backlog: 0, backlogAgeMs: 0, capacity: 1_500, isCapacityMeasured: false, ranges: 1_000, blocked: 0 };
  return { arrivals, ...calm, ...more };
}

/** Looks at a load that stays, with replicas that follow at once. */
function follow(replicas: number, seconds: number, settings: ScalingSettings, at: (ms: number) => Load): number[] {
  const counts: number[] = [];
  let state: ScalingState | undefined;
  let now = replicas;
  for (let atMs = 0; atMs <= seconds * 1000; atMs += loadLookMs) {
    ({ desired: now, state } = decideScaling(
      state,
      { atMs, replicas: now, areAllAlive: true, load: at(atMs) },
      settings,
    ));
    counts.push(now);
  }
  return counts;
}

test('a load that stays is met, within bounds, and then nothing changes any more', () => {
  fc.assert(
    fc.property(
      settingsOf,
      fc.integer({ min: 1, max: 36 }),
      fc.integer({ min: 0, max: 40_000 }),
      (settings, replicas, arrivals) => {
        const counts = follow(replicas, 3_600, settings, () => load(arrivals));
        const last = counts.at(-1) ?? 0;
        assert.ok(last >= settings.least && last <= Math.max(settings.most, replicas));
        const { count } = wantedSenders(last, load(arrivals), settings);
        assert.equal(last, count, 'it is what this load wants');
        assert.ok(last === settings.most || last * 1_500 * settings.aim >= arrivals, 'the load is carried at the aim');
        const half = counts.slice(counts.length / 2 + 60);
        assert.ok(new Set(half).size <= 1 || counts[0] !== last, 'it does not go back and forth');
        const signs = new Set(
          counts.map((each, index) => Math.sign(each - (counts[index - 1] ?? each))).filter((sign) => sign !== 0),
        );
        assert.ok(signs.size <= 1 || replicas < settings.least, 'all steps go one way');
      },
    ),
    { numRuns: 60 },
  );
});

test('a load that trembles by an eighth turns nothing, wherever it lies', () => {
  fc.assert(
    fc.property(
      settingsOf,
      fc.integer({ min: 500, max: 20_000 }),
      fc.array(fc.integer({ min: -125, max: 125 }), { minLength: 50, maxLength: 50 }),
      (settings, level, noise) => {
        const at = (ms: number): Load => load(level * (1 + (noise[(ms / loadLookMs) % noise.length] ?? 0) / 1_000));
        const counts = follow(settings.least, 3_600, settings, at);
        const steps = counts.map((each, index) => Math.sign(each - (counts[index - 1] ?? each)));
        assert.ok(!steps.includes(-1), 'what came once for this load stays');
      },
    ),
    { numRuns: 60 },
  );
});

test('a step is at most a doubling up, and one down; down only after a whole quiet window', () => {
  fc.assert(
    fc.property(
      settingsOf,
      fc.array(fc.integer({ min: 0, max: 40_000 }), { minLength: 5, maxLength: 20 }),
      (settings, levels) => {
        const counts = follow(settings.least, levels.length * 120, settings, (ms) =>
          load(levels[Math.floor(ms / 120_000)] ?? 0),
        );
        for (const [index, count] of counts.entries()) {
          const before = counts[index - 1] ?? count;
          assert.ok(count >= before - 1 && count <= Math.max(before * 2, before + 2, settings.least));
          if (count >= before) continue;
          assert.ok(index * loadLookMs >= quietMs);
        }
      },
    ),
    { numRuns: 60 },
  );
});

const settings: ScalingSettings = { least: 2, most: 10, aim: 0.7, zones: 1, quietMs };

test('what is not known changes nothing, and the quiet window begins anew after it', () => {
  const at = (ms: number): Load => (ms === 200_000 ? load(undefined) : load(100));
  const counts = follow(6, 420, settings, at);
  assert.equal(counts.at(-1), 6);
  assert.equal(follow(6, 420, settings, () => load(100)).at(-1), 3);
  assert.deepEqual(new Set(follow(6, 7_200, settings, () => load(undefined))), new Set([6]));
});

test('while a sender is missing there are never fewer, and there may be more', () => {
  const decide = (state: ScalingState | undefined, atMs: number, arrivals: number) =>
    decideScaling(state, { atMs, replicas: 6, areAllAlive: false, load: load(arrivals) }, settings);
  let state: ScalingState | undefined;
  for (let atMs = 0; atMs < 2 * quietMs; atMs += loadLookMs) ({ state } = decide(state, atMs, 100));
  assert.equal(state?.desired, 6);
  for (let atMs = 2 * quietMs; atMs <= 2 * quietMs + scaleUpWindowMs; atMs += loadLookMs)
    ({ state } = decide(state, atMs, 9_000));
  assert.equal(state?.desired, 9);
});

test('more than there are ranges are not wanted, and it is said that ranges are what lacks', () => {
  assert.deepEqual(wantedSenders(4, load(9_000, { ranges: 5 }), settings), { count: 5, reason: 'ranges' });
  assert.deepEqual(wantedSenders(4, load(90_000), settings), { count: 10, reason: 'most' });
  assert.deepEqual(wantedSenders(4, load(9_000, { ranges: 1 }), settings), { count: 2, reason: 'ranges' });
  assert.deepEqual(wantedSenders(2, load(10), settings), { count: 2, reason: 'least' });
});

test('an old backlog wants as many as work it off in two minutes beside what arrives', () => {
  assert.deepEqual(wantedSenders(2, load(2_000, { backlog: 300_000, backlogAgeMs: 20_000 }), settings), {
    count: 5,
    reason: 'backlog',
  });
  assert.deepEqual(wantedSenders(2, load(2_000, { backlog: 300_000, backlogAgeMs: 5_000 }), settings), {
    count: 2,
    reason: 'load',
  });
});

test('each zone alone carries the load when that is asked for', () => {
  // 4,000 a second: 2.8 senders at 95 % in each of two zones; 1.4 in each of three.
  assert.deepEqual(wantedSenders(2, load(4_000), { ...settings, zones: 2 }), { count: 6, reason: 'zone' });
  assert.deepEqual(wantedSenders(2, load(4_000), { ...settings, zones: 3 }), { count: 6, reason: 'zone' });
  assert.deepEqual(wantedSenders(2, load(4_000), settings), { count: 4, reason: 'load' });
});

test('what is beyond the most goes one by one, without a quiet window', () => {
  assert.deepEqual(
    follow(13, 25, settings, () => load(6_000)),
    [12, 11, 10, 10, 10, 10],
  );
});

test('a leader goes on with what the one before it was about', () => {
  const seen = { atMs: 0, replicas: 6, areAllAlive: true, load: load(undefined) };
  assert.equal(decideScaling(undefined, { ...seen, aimedAt: 5 }, settings).desired, 5);
  assert.equal(decideScaling(undefined, seen, settings).desired, 6);
});

test('a number that somebody else has set is where it goes on from', () => {
  let state: ScalingState | undefined;
  const decide = (atMs: number, replicas: number) => {
    const decision = decideScaling(state, { atMs, replicas, areAllAlive: true, load: load(3_000) }, settings);
    state = decision.state;
    return decision.desired;
  };
  assert.equal(decide(0, 4), 4);
  assert.equal(decide(5_000, 7), 7);
  assert.equal(decide(10_000, 7), 7);
});
