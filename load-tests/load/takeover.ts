/**
 * One sender of a cluster under load is killed, or asked to end, and what that means is measured: when its ranges
 * have another owner in the table, when people are served again, and how long a message waited at most.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Range as RangeStatus } from '@chappe/proto/v1/cluster_service';
import type { ClusterTarget } from './cluster-target.ts';
import { numberAt } from './contacts.ts';
import { nowMs } from './monotonic-clock.ts';
import type { WindowResult } from './run-window.ts';
import { play, steadily, type Scene } from './scenarios.ts';
import type { WindowRecord } from './window-record.ts';

export interface Takeover {
  readonly victim: string;
  readonly ranges: number;
  /** Until the last of its ranges has another owner in the table. */
  readonly unownedMs: number;
  /** Until a message that was due afterwards was shown in each of its ranges. */
  readonly unservedMs: number;
  /** The longest that a message to one of its ranges waited until it was shown. */
  readonly longestWaitMs: number;
  readonly window: WindowResult;
}

/** About a third of what two cores with all of this on them carry for good: what is measured is not their queues. */
const perSecond = 50;
/** Before the signal. */
const quietMs = 1_500;
/** Of load: a takeover of 8 s, or a hand-over of 1 s, and some more. */
const windowSeconds = { SIGKILL: 12, SIGTERM: 5 } as const;
/** Each look asks the log for the end of every range: not so often that it is a load of its own. */
const lookMs = 50;
const takeoverMsMax = 60_000;

/** Afterwards the sender runs again and has ranges again. @throws Error if that does not happen */
export async function takeOver(scene: Scene, target: ClusterTarget, signal: 'SIGKILL' | 'SIGTERM'): Promise<Takeover> {
  const { admin } = scene.stage;
  let lost: readonly RangeStatus[] = [];
  let record: WindowRecord | undefined;
  let signalledMs = 0;
  let unownedMs = 0;
  const during = async (notes: WindowRecord): Promise<void> => {
    record = notes;
    await pause(quietMs);
    const { ranges } = await admin.cluster.listRanges({});
    const victim = fullest(ranges);
    lost = ranges.filter(({ owner }) => owner === victim);
    signalledMs = nowMs();
    const ended = target.stop(victim, signal);
    await untilOwned(scene, lost, victim);
    unownedMs = nowMs() - signalledMs;
    await ended;
  };
  const pace = steadily(perSecond, windowSeconds[signal]);
  const window = await play(scene, signal === 'SIGKILL' ? 'takeover' : 'hand-over', pace, {}, { during });
  const victim = lost[0]?.owner ?? '';
  await target.start(victim);
  await target.ready();
  await untilSpread(scene, victim);
  return { victim, ranges: lost.length, unownedMs, ...waits(record, lost, signalledMs), window };
}

function fullest(ranges: readonly RangeStatus[]): string {
  const counts = new Map<string, number>();
  for (const { owner } of ranges) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? '';
}

async function untilOwned({ stage }: Scene, lost: readonly RangeStatus[], victim: string): Promise<void> {
  const before = new Map(lost.map(({ id, epoch }) => [id, epoch]));
  await until(`new owners of the ranges of ${victim}`, async () => {
    const { ranges } = await stage.admin.cluster.listRanges({});
    return ranges.every(({ id, owner, epoch }) => {
      const epochBefore = before.get(id);
      return epochBefore === undefined || (epoch > epochBefore && owner !== '' && owner !== victim);
    });
  });
}

/** The coordinator gives a shard that joins its share, one range after the other. */
async function untilSpread({ stage }: Scene, victim: string): Promise<void> {
  await until(`ranges for ${victim}`, async () => {
    const { shards } = await stage.admin.cluster.listShards({});
    const isBack = shards.some(({ id, ranges }) => id === victim && ranges > 0);
    return isBack && isEven(shards.filter(({ draining }) => !draining));
  });
}

/** So many shards run, and each has its part of the ranges. */
export async function untilSpreadOver({ stage }: Scene, count: number): Promise<void> {
  await until(`even shares of ${count} shards`, async () => {
    const [{ shards }, { ranges }] = await Promise.all([
      stage.admin.cluster.listShards({}),
      stage.admin.cluster.listRanges({}),
    ]);
    const isOwned = ranges.every(({ owner, state }) => owner !== '' || state === 'sealed');
    return isOwned && shards.length === count && isEven(shards);
  });
}

/** Each has half of the mean at least: ranges are placed by what comes in for them. */
function isEven(shards: readonly { readonly ranges: number }[]): boolean {
  const counts = shards.map(({ ranges }) => ranges);
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return Math.min(...counts) >= Math.max(1, Math.floor(mean / 2));
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = nowMs() + takeoverMsMax;
  while (!(await isSo().catch(() => false))) {
    if (nowMs() > endMs) throw new Error(`no ${what} within ${takeoverMsMax} ms`);
    await pause(lookMs);
  }
}

function waits(
  notes: WindowRecord | undefined,
  lost: readonly RangeStatus[],
  signalledMs: number,
): Pick<Takeover, 'unservedMs' | 'longestWaitMs'> {
  if (notes === undefined) throw new Error('the window did not begin');
  const { record, dueMs } = notes;
  let longestWaitMs = 0;
  const firstServedMs = new Map(lost.map(({ id }) => [id, Infinity]));
  for (let place = 0; place < record.submitted; place += 1) {
    const range = lost.find((candidate) => holds(candidate, numberAt(notes.contactOf(place))));
    const shownMs = record.firstShownMs(place);
    if (range === undefined || Number.isNaN(shownMs) || shownMs < signalledMs) continue;
    longestWaitMs = Math.max(longestWaitMs, shownMs - dueMs.get(place));
    if (dueMs.get(place) >= signalledMs)
      firstServedMs.set(range.id, Math.min(firstServedMs.get(range.id) ?? Infinity, shownMs));
  }
  return { unservedMs: Math.max(...firstServedMs.values()) - signalledMs, longestWaitMs };
}

function holds({ start, end }: RangeStatus, number: string): boolean {
  const digits = number.slice(1);
  return digits >= start && (end === '' || digits < end);
}
