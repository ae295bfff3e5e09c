/**
 * A day of load and what is decided in it, as a text that is read: `CHAPPE_RENEW=1 node --test` this file writes it anew.
 * It shows that nothing goes back and forth.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { DecidedCluster, stepMs, type Decided } from './decided-cluster.ts';
import { prefixes, readRecordedLoad, stepMs as recordedStepMs } from './recorded-load.ts';

const minute = 60_000;
const hour = 60 * minute;
const shards = ['a1', 'a2', 'a3', 'b1', 'b2', 'b3'].map((id) => ({ id, zone: id.slice(0, 1) }));
/** As the chart has them. */
const bounds = ['2', '3', '34', '4', '44', '49', '5', '6', '7', '8', '9'];

interface Moment {
  readonly ms: number;
  readonly load: number;
  readonly ranges: number;
  readonly fullest: number;
  readonly mean: number;
}

describe('a day with waves, campaigns and a country that begins', () => {
  const cluster = new DecidedCluster(prefixes, bounds, shards);
  const moments: Moment[] = [];
  before(() => {
    const recorded = readRecordedLoad();
    for (let ms = 0; ms < recorded.length * recordedStepMs; ms += stepMs) {
      const rates = recorded[Math.floor(ms / recordedStepMs)] ?? [];
      cluster.step(ms, rates);
      const all = cluster.fullness();
      const mean = all.reduce((sum, each) => sum + each, 0) / all.length;
      const load = rates.reduce((sum, each) => sum + each, 0);
      moments.push({ ms, load, ranges: cluster.rangeCount, fullest: Math.max(...all), mean });
    }
  });

  test('what is decided, and why', async () => {
    const text = transcript(moments, cluster.decided);
    const path = join(import.meta.dirname, 'transcripts', 'decisions-of-a-day.txt');
    if (process.env['CHAPPE_RENEW'] === '1') await writeFile(path, text);
    assert.equal(text, await readFile(path, 'utf8'));
  });

  test('no range is split and merged back, or merged and split again, within an hour', () => {
    const madeAt = new Map<string, Decided>();
    for (const decided of cluster.decided) {
      if (decided.kind === 'move') continue;
      for (const id of decided.old) {
        const made = madeAt.get(id);
        if (made !== undefined && made.kind !== decided.kind)
          assert.ok(decided.ms - made.ms > hour, `${id} goes to and fro`);
      }
      for (const id of decided.made) madeAt.set(id, decided);
    }
  });

  test('no range comes back within ten minutes to the shard that it left', () => {
    const left = new Map<string, { readonly ms: number; readonly from: string }>();
    for (const { kind, old, from, to, ms } of cluster.decided) {
      if (kind !== 'move') continue;
      const last = left.get(old[0] ?? '');
      assert.ok(last?.from !== to || ms - last.ms >= 10 * minute, `${old.join()} goes to and fro`);
      left.set(old[0] ?? '', { ms, from });
    }
  });

  test('it is little that is done, and no shard is full', () => {
    const count = (kind: Decided['kind']): number => cluster.decided.filter((one) => one.kind === kind).length;
    assert.ok(count('split') > 0 && count('split') <= 30, `${count('split')} splits`);
    assert.ok(count('merge') <= 30, `${count('merge')} merges`);
    assert.ok(count('move') <= 5 * 24, `${count('move')} moves`);
    const settled = moments.filter(({ ms }) => ms > 10 * minute);
    const uneven = settled.filter(({ fullest, mean }) => fullest > 0.5 && fullest > mean * 1.4).length / settled.length;
    assert.ok(
      uneven < 0.05,
      `a busy shard is 1.4 times as full as the mean for ${(100 * uneven).toFixed(1)} % of the day`,
    );
  });
});

function transcript(all: readonly Moment[], decided: readonly Decided[]): string {
  const lines: string[] = [];
  for (let ms = 0; ms < 24 * hour; ms += hour) {
    const within = all.filter((one) => one.ms >= ms && one.ms < ms + hour);
    const of = decided.filter((one) => one.ms >= ms && one.ms < ms + hour);
    const highest = within.reduce((most, one) => (one.fullest > most.fullest ? one : most));
    const count = (kind: Decided['kind']): string => String(of.filter((one) => one.kind === kind).length).padStart(6);
    lines.push(
      [
        timeOf(ms),
        String(Math.round(within.reduce((sum, { load }) => sum + load, 0) / within.length)).padStart(8),
        String(within.at(-1)?.ranges).padStart(6),
        `${(100 * highest.fullest).toFixed(0)} %`.padStart(7),
        `${(100 * highest.mean).toFixed(0)} %`.padStart(5),
        count('split'),
        count('merge'),
        count('move'),
      ].join('  '),
    );
    for (const one of of)
      if (one.kind !== 'move')
        lines.push(`  ${timeOf(one.ms)} ${one.kind} ${one.old.join(' and ')} to ${one.made.join(' and ')}: ${one.why}`);
  }
  const title = [' time', 'a second', 'ranges', 'fullest', ' mean', 'splits', 'merges', ' moves'].join('  ');
  return `${title}\n${lines.join('\n')}\n`;
}

function timeOf(ms: number): string {
  const minutes = Math.floor(ms / minute);
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}
