/** What comes in for each range, averaged from what shards report. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Range } from '@chappe/ranges/range';
import type { RangeLoad, ShardInfo } from '@chappe/ranges/shard-info';
import { initialRanges } from '../src/initial-ranges.ts';
import { noLoads, noteLoads, peakOf, rateOf, type RangeLoads } from '../src/range-loads.ts';

const settings = { averageMs: 30_000, peakMs: 3_600_000 };
const [first] = initialRanges([], 'main');
assert.ok(first !== undefined);
const range: Range = { ...first, owner: 's1', ownerInstance: 'i' };

function shardOf(load: Record<string, RangeLoad>, id = 's1'): ShardInfo {
  return { id, instance: 'i', address: '', zone: 'a', capacity: 1_500, ranges: 1, rate: 0, attachedDevices: 0, load };
}

/** Looks each second. @param reportAt what the shard says of the range, by the second */
function watched(seconds: number, reportAt: (second: number) => RangeLoad | undefined): RangeLoads {
  let loads = noLoads;
  for (let second = 0; second <= seconds; second += 1) {
    const report = reportAt(second);
    loads = noteLoads(loads, [range], [shardOf(report === undefined ? {} : { r1: report })], second * 1_000, settings);
  }
  return loads;
}

const near = (value: number, wanted: number, within: number): void =>
  assert.ok(Math.abs(value - wanted) <= within, `${value} is not ${wanted}`);

test('a load that stays is known after the second look, one that changes after some averages', () => {
  near(
    rateOf(
      watched(1, (second) => ({ nextOffset: second * 400, rate: 400 })),
      'r1',
    ),
    400,
    1e-6,
  );
  const stepped = (second: number): RangeLoad => ({ nextOffset: Math.max(0, second - 100) * 800, rate: 800 });
  near(rateOf(watched(100, stepped), 'r1'), 0, 1e-6);
  // After a time constant of 30 s 63 % of the step, after 42 s three fourths.
  near(rateOf(watched(130, stepped), 'r1'), 800 * (1 - Math.exp(-1)), 10);
  near(rateOf(watched(142, stepped), 'r1'), 600, 15);
});

test('one call of a campaign is no load', () => {
  const loads = watched(70, (second) => ({ nextOffset: second * 10 + (second >= 60 ? 3_000 : 0), rate: 10 }));
  assert.ok(rateOf(loads, 'r1') < 120);
});

test('a range that is behind has what comes in, not what is done', () => {
  const loads = watched(120, (second) => ({
    nextOffset: second * 200,
    end: Math.floor(second / 10) * 10 * 900,
    rate: 200,
  }));
  near(rateOf(loads, 'r1'), 900, 150);
});

test('while a range is on its way its average stays, and what came meanwhile counts when it is back', () => {
  const loads = watched(60, (second) =>
    second > 30 && second < 40 ? undefined : { nextOffset: second * 300, rate: 300 },
  );
  near(rateOf(loads, 'r1'), 300, 1e-6);
});

test('new ranges begin with what those had that they replace', () => {
  const before = watched(60, (second) => ({ nextOffset: second * 600, rate: 600 }));
  const halves = ['r2', 'r3'].map((id): Range => ({ ...range, id, state: 'filling', replaces: ['r1'] }));
  const loads = noteLoads(before, [{ ...range, state: 'draining' }, ...halves], [shardOf({})], 61_000, settings);
  near(rateOf(loads, 'r2') + rateOf(loads, 'r3'), 600, 1e-6);
  const merged: Range = { ...range, id: 'r4', state: 'filling', replaces: ['r2', 'r3'] };
  near(rateOf(noteLoads(loads, [...halves, merged], [shardOf({})], 62_000, settings), 'r4'), 600, 1e-6);
  assert.equal(peakOf(loads, 'r2', settings), undefined, 'it was not watched for an hour');
});

test('the highest average of the last hour is kept, and forgotten after it', () => {
  const burst = (second: number): number => Math.min(Math.max(0, second - 600), 300) * 500;
  const at = (second: number): number | undefined =>
    peakOf(
      watched(second, (now) => ({ nextOffset: burst(now) + now, rate: 1 })),
      'r1',
      settings,
    );
  assert.equal(at(3_600), undefined);
  near(at(3_700) ?? 0, 500, 5);
  // Kept by spans of five minutes.
  near(at(4_900) ?? 0, 1, 1);
});
