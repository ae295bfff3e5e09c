/**
 * Days of load and what is decided, as texts that are read: `CHAPPE_RENEW=1 node --test` this file writes them anew.
 * Each line is a moment at which the wanted number changed, or an hour without one.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ScalingSettings } from '../src/scaling.ts';
import { simulate, type ClusterModel, type Moment } from './simulated-cluster.ts';

const minute = 60_000;
const model: ClusterModel = {
  senders: 4,
  ranges: 24,
  zones: ['a', 'b'],
  says: 1_500,
  does: 1_500,
  startMs: 40_000,
  moveMs: 1_000,
};
const settings: ScalingSettings = { least: 2, most: 12, aim: 0.7, zones: 1, quietMs: 300_000 };

/** Straight lines between points of [minute, commands a second], with a noise of up to a twelfth that is the same each time. */
function course(points: readonly (readonly [number, number])[]): (ms: number) => number {
  let seed = 1;
  return (ms) => {
    seed = (seed * 48_271) % 2_147_483_647;
    const at = ms / minute;
    const next = points.findIndex(([from]) => from > at);
    const [[fromMinute, from], [toMinute, to]] = [points[next - 1] ?? [0, 0], points[next] ?? points.at(-1) ?? [0, 0]];
    const level = toMinute > fromMinute ? from + ((to - from) * (at - fromMinute)) / (toMinute - fromMinute) : to;
    return level * (1 + (seed / 2_147_483_647 - 0.5) / 6);
  };
}

const days: readonly {
  readonly name: string;
  readonly minutes: number;
  /** How often the load goes the other way, beginning with fewer senders than the four of the start. */
  readonly turns: number;
  readonly points: readonly (readonly [number, number])[];
  readonly model?: Partial<ClusterModel>;
  readonly settings?: Partial<ScalingSettings>;
}[] = [
  {
    name: 'a-morning-with-a-campaign',
    minutes: 180,
    turns: 2,
    points: [
      [0, 300],
      [60, 1_500],
      [61, 7_000],
      [90, 7_000],
      [91, 1_500],
      [180, 1_200],
    ],
  },
  {
    name: 'waves-of-three-minutes',
    minutes: 60,
    turns: 0,
    points: Array.from({ length: 21 }, (_, index) => [index * 3, index % 2 === 0 ? 1_800 : 4_200] as const),
  },
  {
    name: 'at-the-edge-between-three-and-four',
    minutes: 120,
    turns: 0,
    points: [
      [0, 3_150],
      [120, 3_150],
    ],
  },
  {
    name: 'shards-that-do-less-than-they-say',
    minutes: 60,
    turns: 2,
    points: [
      [0, 500],
      [10, 500],
      [11, 3_600],
      [60, 3_600],
    ],
    model: { does: 700 },
  },
  {
    name: 'each-of-two-zones-alone',
    minutes: 120,
    turns: 2,
    points: [
      [0, 800],
      [30, 800],
      [31, 4_000],
      [60, 4_000],
      [61, 600],
      [120, 600],
    ],
    settings: { zones: 2 },
  },
];

for (const day of days) {
  test(`what is decided: ${day.name}`, async () => {
    const moments = simulate(
      { ...model, ...day.model },
      { ...settings, ...day.settings },
      day.minutes * minute,
      course(day.points),
    );
    const path = join(import.meta.dirname, 'transcripts', `${day.name}.txt`);
    const text = transcript(moments);
    if (process.env['CHAPPE_RENEW'] === '1') await writeFile(path, text);
    assert.equal(text, await readFile(path, 'utf8'));
    assert.ok(
      turnsOf(moments) <= day.turns,
      `the load turns ${day.turns} times, the number of senders ${turnsOf(moments)}`,
    );
  });
}

function transcript(moments: readonly Moment[]): string {
  const lines = moments.flatMap((moment, index) => {
    const before = moments[index - 1];
    const isNew = before === undefined || before.desired !== moment.desired || before.replicas !== moment.replicas;
    return isNew || moment.ms % (60 * minute) === 0 ? [lineOf(moment)] : [];
  });
  return `${['  time', 'a second', ' backlog', '  oldest', 'senders', 'wanted', 'why'].join('  ')}\n${lines.join('\n')}\n`;
}

function lineOf({ ms, load, replicas, desired, reason }: Moment): string {
  const time = `${Math.floor(ms / minute)}:${String((ms / 1000) % 60).padStart(2, '0')}`;
  const arrivals = load.arrivals === undefined ? '?' : String(Math.round(load.arrivals / 10) * 10);
  return [
    time.padStart(6),
    arrivals.padStart(8),
    String(Math.round(load.backlog)).padStart(8),
    `${Math.round(load.backlogAgeMs / 1000)} s`.padStart(8),
    String(replicas).padStart(7),
    String(desired).padStart(6),
    reason,
  ].join('  ');
}

/** How often the wanted number went the other way than before. */
function turnsOf(moments: readonly Moment[]): number {
  const signs = moments
    .map(({ desired }, index) => Math.sign(desired - (moments[index - 1]?.desired ?? desired)))
    .filter((sign) => sign !== 0);
  return signs.filter((sign, index) => index > 0 && sign !== signs[index - 1]).length;
}
