/**
 * `make load SCENARIO=reshape MODE=cluster RANGES=4`: the ranges become 8, 16 and 4 again under a steady load, then a shard
 * leaves and comes back. What that costs: how long appends were held, what fewer people were shown meanwhile, how
 * soon the shard has its share.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { metricSum } from '../cluster/metric-sum.ts';
import type { ClusterTarget } from './cluster-target.ts';
import { nowMs } from './monotonic-clock.ts';
import { play, steadily, warmUp, type Scene } from './scenarios.ts';
import { untilSpreadOver } from './takeover.ts';
import type { WindowRecord } from './window-record.ts';

/** Before the first change, between two, and after the last: a dip shows against what is around it. */
const quietMs = 5_000;
const reshapeMsMax = 60_000;
const lookMs = 100;
/** Of the load; it is stretched by what the changes take. */
const windowSeconds = 60;
/** A second counts as a dip below this part of the rate. */
const dipShare = 0.8;
const heldWithinSeconds = 0.25;
const limits = { heldShare: 0.99, dipSeconds: 5, joinSeconds: 30 } as const;

export async function measureReshape(scene: Scene, target: ClusterTarget): Promise<void> {
  const { options, figure, print } = scene;
  await warmUp(scene);
  const heldBefore = await heldIn(target);
  let reshapes = 0;
  let notes: WindowRecord | undefined;
  let [fromMs, toMs] = [0, 0];
  const during = async (record: WindowRecord): Promise<void> => {
    notes = record;
    await pause(quietMs);
    fromMs = nowMs();
    for (const [from, to] of [
      [4, 8],
      [8, 16],
      [16, 4],
    ] as const) {
      const startMs = nowMs();
      reshapes += to > from ? await splitAll(scene) : await mergeAll(scene, to);
      print(`  ${from} -> ${to} ranges in ${((nowMs() - startMs) / 1_000).toFixed(1)} s`);
      await pause(quietMs);
    }
    toMs = nowMs();
  };
  const name = `4 -> 8 -> 16 -> 4 ranges at ${options.rate}/s`;
  const window = await play(scene, name, steadily(options.rate, windowSeconds), {}, { during });
  const held = difference(await heldIn(target), heldBefore);
  const refused = Object.values(window.refused).reduce((sum, count) => sum + count, 0);
  figure({ name: 'reshapes', unit: '', better: 'higher' }, reshapes);
  figure({ name: 'sends refused', unit: '', better: 'lower', limit: 0 }, refused);
  figure({ name: 'broken promises', unit: '', better: 'lower', limit: 0 }, window.problemCount);
  figure({ name: 'times that appends were held', unit: '', better: 'lower' }, held.count);
  figure({ name: 'appends held, mean', unit: 'ms', better: 'lower' }, (1_000 * held.seconds) / Math.max(1, held.count));
  const heldName = `part of them within ${1_000 * heldWithinSeconds} ms`;
  figure(
    { name: heldName, unit: '', better: 'higher', limit: limits.heldShare },
    held.within / Math.max(1, held.count),
  );
  const dip = dipOf(notes, options.rate, fromMs, toMs);
  figure({ name: 'shown in the worst second, part of the rate', unit: '', better: 'higher' }, dip.worst);
  const dipName = `seconds in a row below ${100 * dipShare} % of the rate`;
  figure({ name: dipName, unit: 's', better: 'lower', limit: limits.dipSeconds }, dip.seconds);
  await measureJoin(scene, target);
}

/** Every range in two, where half of its load is on each side. @returns how many reshapes that were */
async function splitAll(scene: Scene): Promise<number> {
  const { cluster } = scene.stage.admin;
  const ids = [];
  for (const range of await activeRanges(scene)) {
    const { reshape } = await cluster.reshapeRanges({ ranges: [range], atMiddle: true });
    ids.push(reshape?.id ?? '');
  }
  return untilDone(scene, ids);
}

/** Neighbours become one, as many of them as leave so many ranges. */
async function mergeAll(scene: Scene, count: number): Promise<number> {
  const { cluster } = scene.stage.admin;
  const ranges = await activeRanges(scene);
  const each = ranges.length / count;
  const ids = [];
  for (let at = 0; at < ranges.length; at += each) {
    const { reshape } = await cluster.reshapeRanges({ ranges: ranges.slice(at, at + each) });
    ids.push(reshape?.id ?? '');
  }
  return untilDone(scene, ids);
}

/** In the order of their numbers. */
async function activeRanges({ stage }: Scene): Promise<string[]> {
  const { ranges } = await stage.admin.cluster.listRanges({});
  return ranges.filter(({ state }) => state === 'active').map(({ id }) => id);
}

async function untilDone({ stage }: Scene, ids: readonly string[]): Promise<number> {
  const endMs = nowMs() + reshapeMsMax;
  for (;;) {
    const { reshapes } = await stage.admin.cluster.listReshapes({});
    const mine = reshapes.filter(({ id }) => ids.includes(id));
    const lost = mine.find(({ step }) => step === 'refused' || step === 'undone');
    if (lost !== undefined) throw new Error(`reshape ${lost.id} is ${lost.step}: ${lost.problem}`);
    if (mine.length === ids.length && mine.every(({ step }) => step === 'active')) return ids.length;
    if (nowMs() > endMs) throw new Error(`reshapes are not done within ${reshapeMsMax} ms`);
    await pause(lookMs);
  }
}

/** From when a shard says that it is there until it has its share. */
async function measureJoin(scene: Scene, target: ClusterTarget): Promise<void> {
  const senders = target.services.filter((name) => name.startsWith('sender-'));
  const [joining] = senders;
  if (joining === undefined || senders.length < 2) return;
  let seconds = 0;
  const during = async (): Promise<void> => {
    await target.stop(joining, 'SIGTERM');
    await untilSpreadOver(scene, senders.length - 1);
    await target.start(joining);
    const startMs = nowMs();
    await untilSpreadOver(scene, senders.length);
    seconds = (nowMs() - startMs) / 1_000;
  };
  const { rate } = scene.options;
  await play(scene, `a shard joins at ${rate}/s`, steadily(rate, windowSeconds / 3), {}, { during });
  const name = 'a shard that joins has its share after';
  scene.figure({ name, unit: 's', better: 'lower', limit: limits.joinSeconds }, seconds);
}

interface Held {
  readonly count: number;
  readonly within: number;
  readonly seconds: number;
}

/** What the gateways have counted since their start. */
async function heldIn(target: ClusterTarget): Promise<Held> {
  const name = 'chappe_gateway_append_held_seconds';
  const pages = await target.metrics('gateway');
  const sum = (suffix: string): number => metricSum(pages, name + suffix);
  return { count: sum('_count'), within: sum(`_bucket{le="${heldWithinSeconds}"`), seconds: sum('_sum') };
}

function difference(after: Held, before: Held): Held {
  return {
    count: after.count - before.count,
    within: after.within - before.within,
    seconds: after.seconds - before.seconds,
  };
}

/** By when messages were shown. */
function dipOf(
  notes: WindowRecord | undefined,
  rate: number,
  fromMs: number,
  toMs: number,
): { worst: number; seconds: number } {
  if (notes === undefined) throw new Error('the window did not begin');
  let [worst, seconds, inARow] = [Infinity, 0, 0];
  for (let atMs = fromMs; atMs + 1_000 <= toMs; atMs += 1_000) {
    const share = notes.shownPerSecond(atMs, atMs + 1_000) / rate;
    worst = Math.min(worst, share);
    inARow = share < dipShare ? inARow + 1 : 0;
    seconds = Math.max(seconds, inARow);
  }
  return { worst, seconds };
}
