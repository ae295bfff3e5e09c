/**
 * How many senders there should be: a pure function of the load and of what was decided before.
 *
 * Wanted are as many as do what arrives, and what has waited too long beside it, at a share of their capacity; and as
 * many that this is done when one zone is lost. More are there when more were wanted all through a short window, at
 * most twice as many at once; fewer, one at a time, when fewer would have done all through a long one. Between the
 * number that is enough and the number that is too many lies a gap, so a load at an edge turns nothing. More than
 * there are ranges would have nothing to do. What is not known changes nothing.
 */
import type { Load } from './load.ts';
import {
  backlogAgeMsMax,
  catchUpMs,
  measuredCapacityMs,
  scaleDownGapMs,
  scaleDownSlack,
  scaleUpWindowMs,
  withoutAZoneShare,
} from './limits.ts';

export interface ScalingSettings {
  readonly least: number;
  readonly most: number;
  /** The share of its capacity that a sender is to work at, 0 to 1. */
  readonly aim: number;
  /** Of so many zones any one may be lost; 1: no such care. */
  readonly zones: number;
  /** Fewer would have done for so long before there are. */
  readonly quietMs: number;
}

export interface Seen {
  /** On a clock that only grows. */
  readonly atMs: number;
  /** How many senders are asked for at present. */
  readonly replicas: number;
  /** How many a leader before this one was about to have. Absent: no step of it is under way. */
  readonly aimedAt?: number;
  /** Whether each of them is alive: otherwise there are never fewer. */
  readonly areAllAlive: boolean;
  readonly load: Load;
}

/** What decides the number, in words that a metric can have. */
export type ScalingReason =
  /** What arrives. */
  | 'load'
  /** What has waited too long. */
  | 'backlog'
  /** That the load is carried when a zone is lost. */
  | 'zone'
  /** The least, or the most, that is allowed. */
  | 'least'
  | 'most'
  /** More would have no range: cut some. */
  | 'ranges'
  /** The load is not known. */
  | 'unknown';

export interface ScalingState {
  readonly desired: number;
  readonly replicas: number;
  /** Since when there are measurements, and when there were last more or fewer wanted. */
  readonly sinceMs: number;
  readonly changedAtMs: number;
  /** What shards did when they were last behind: what they say of themselves is less sure for a while. */
  readonly measured: { readonly atMs: number; readonly capacity: number } | undefined;
  /** What was wanted at each look of the long window. */
  readonly wanted: readonly { readonly atMs: number; readonly count: number }[];
}

export interface ScalingDecision {
  readonly desired: number;
  readonly reason: ScalingReason;
  readonly state: ScalingState;
}

/** @param before of the look before; absent: the first one of this leader, which knows no window yet */
export function decideScaling(
  before: ScalingState | undefined,
  seen: Seen,
  settings: ScalingSettings,
): ScalingDecision {
  const { atMs, replicas } = seen;
  const measured = measuredCapacity(before, seen);
  const begun = { measured, sinceMs: atMs, changedAtMs: atMs, wanted: [] };
  const isAnew = before === undefined || isScaledByOthers(before, replicas);
  const state = isAnew
    ? { ...begun, replicas, desired: (before === undefined ? seen.aimedAt : undefined) ?? replicas }
    : { ...before, measured };
  const capacity = measured?.capacity ?? seen.load.capacity;
  const { count, reason } = wantedSenders(state.desired, { ...seen.load, capacity }, settings);
  // The long window begins anew: what was not measured must not count as quiet.
  if (reason === 'unknown')
    return { desired: state.desired, reason, state: { ...begun, replicas, desired: state.desired } };
  const wanted = [...state.wanted, { atMs, count }].filter((each) => each.atMs > atMs - settings.quietMs);
  const next = stepped({ ...state, wanted }, seen, settings);
  const changedAtMs = next === state.desired ? state.changedAtMs : atMs;
  return { desired: next, reason, state: { ...state, wanted, changedAtMs, replicas, desired: next } };
}

function measuredCapacity(before: ScalingState | undefined, { atMs, load }: Seen): ScalingState['measured'] {
  if (load.isCapacityMeasured) return { atMs, capacity: load.capacity };
  const last = before?.measured;
  return last === undefined || atMs - last.atMs > measuredCapacityMs ? undefined : last;
}

/** Neither as it was nor as it was wanted: an operator or an autoscaler did it, and it is taken from there. */
function isScaledByOthers({ replicas, desired }: ScalingState, now: number): boolean {
  return (now - replicas) * (desired - now) < 0;
}

/** How many this load wants, as long as there are `now`. */
export function wantedSenders(
  now: number,
  { arrivals, backlog, backlogAgeMs, capacity, ranges }: Load,
  settings: ScalingSettings,
): { readonly count: number; readonly reason: ScalingReason } {
  if (arrivals === undefined || capacity <= 0) return { count: now, reason: 'unknown' };
  const late = backlogAgeMs > backlogAgeMsMax ? (backlog * 1000) / catchUpMs : 0;
  const enough = sendersFor(arrivals + late, capacity, settings, 1);
  const plenty = sendersFor(arrivals + late, capacity, settings, scaleDownSlack);
  // Fewer only if they do it with ease; more only if there are not enough.
  const count = Math.max(enough.count, Math.min(now, plenty.count));
  const isLate = late > 0 && enough.count > sendersFor(arrivals, capacity, settings, 1).count;
  const reason = isLate ? 'backlog' : enough.reason;
  if (count < settings.least) return { count: settings.least, reason: 'least' };
  const usable = Math.max(ranges, settings.least);
  if (count > settings.most || count > usable)
    return usable < settings.most ? { count: usable, reason: 'ranges' } : { count: settings.most, reason: 'most' };
  return { count, reason };
}

function sendersFor(
  perSecond: number,
  capacity: number,
  { aim, zones }: ScalingSettings,
  slack: number,
): { readonly count: number; readonly reason: 'load' | 'zone' } {
  const byLoad = Math.ceil(perSecond / (capacity * aim * slack));
  if (zones < 2) return { count: byLoad, reason: 'load' };
  // Spread evenly: each zone has as many that the others do it all.
  const inAZone = Math.ceil(perSecond / (capacity * withoutAZoneShare * slack) / (zones - 1));
  const byZone = inAZone * zones;
  return byZone > byLoad ? { count: byZone, reason: 'zone' } : { count: byLoad, reason: 'load' };
}

function stepped(
  { desired, wanted, sinceMs, changedAtMs }: ScalingState,
  seen: Seen,
  settings: ScalingSettings,
): number {
  const { atMs, replicas, areAllAlive } = seen;
  if (desired < settings.least) return settings.least;
  // Not for the load's sake, so no window of it is waited for; one goes after the other all the same.
  if (desired > settings.most) return replicas > desired ? desired : desired - 1;
  const countsSince = (ms: number): number[] => wanted.filter((each) => each.atMs >= ms).map(({ count }) => count);
  if (atMs - sinceMs >= scaleUpWindowMs) {
    const up = Math.min(...countsSince(atMs - scaleUpWindowMs));
    if (up > desired) return Math.min(up, Math.max(desired * 2, desired + 2));
  }
  const { quietMs } = settings;
  const isQuiet = atMs - sinceMs >= quietMs && atMs - changedAtMs >= Math.min(scaleDownGapMs, quietMs);
  // One that goes is gone before the next one does.
  if (!isQuiet || !areAllAlive || replicas > desired) return desired;
  const down = Math.max(...countsSince(atMs - quietMs));
  return down < desired ? desired - 1 : desired;
}
