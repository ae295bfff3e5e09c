/**
 * The way from the number of senders that there are to the number that there should be, one step at a time: a pure
 * function of what is there, so whoever leads goes on from wherever another one stopped.
 *
 * A StatefulSet removes the pod with the highest ordinal. So that one is drained first, and only when it holds no
 * range there is one replica less. A drain that is no longer wanted is taken back; one that takes too long as well,
 * and the shard keeps what it has: only an operator takes a sender away that holds ranges (`kubectl scale`).
 */
import { drainersOf, type Drain } from '@chappe/ranges/drain';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

export interface Scale {
  /** The StatefulSet: its pods, and so its shards, are called `<name>-<ordinal>`. */
  readonly name: string;
  readonly replicas: number;
  readonly desired: number;
  /** Those that are alive. */
  readonly shards: ReadonlyMap<string, ShardInfo>;
  readonly ranges: readonly Range[];
  /** By shard. */
  readonly drains: ReadonlyMap<string, Drain>;
  /** Names of the pods that there are, ending ones included. */
  readonly pods: ReadonlySet<string>;
  /** Milliseconds since 1970, as the drains have it. */
  readonly nowMs: number;
  /** After so long a shard that still has ranges keeps them. */
  readonly drainMsMax: number;
  /** Until when no sender is taken away, because one got stuck. */
  readonly calledOffUntilMs: number;
}

export type ScaleStep =
  /** It is as it should be, or nothing can be done now. */
  | { readonly kind: 'rest' }
  | { readonly kind: 'drain'; readonly shard: string }
  | { readonly kind: 'takeBack'; readonly shard: string }
  | { readonly kind: 'wait'; readonly shard: string; readonly ranges: number; readonly sinceMs: number }
  | { readonly kind: 'callOff'; readonly shard: string; readonly ranges: number }
  | { readonly kind: 'setReplicas'; readonly replicas: number };

export function nextScaleStep(scale: Scale): ScaleStep {
  const { replicas, desired, drains, nowMs, drainMsMax } = scale;
  const last = shardOf(scale, replicas - 1);
  const mayGo = desired < replicas && canSpare(scale, last) ? last : undefined;
  for (const [shard, drain] of drains) {
    if (drain.scaling === undefined || shard === mayGo) continue;
    const ordinal = ordinalOf(scale, shard);
    const isGone = !scale.pods.has(shard) && !scale.shards.has(shard);
    // One that is beyond the number is ending: it must not be given ranges on its last way.
    if (ordinal === undefined || ordinal < replicas || isGone) return { kind: 'takeBack', shard };
  }
  if (desired > replicas) return { kind: 'setReplicas', replicas: desired };
  if (mayGo === undefined) return { kind: 'rest' };
  const sinceMs = drains.get(mayGo)?.scaling;
  if (sinceMs === undefined) return { kind: 'drain', shard: mayGo };
  const ranges = rangesOf(scale, mayGo);
  if (ranges === 0) return { kind: 'setReplicas', replicas: replicas - 1 };
  if (nowMs - sinceMs > drainMsMax) return { kind: 'callOff', shard: mayGo, ranges };
  return { kind: 'wait', shard: mayGo, ranges, sinceMs };
}

/** Whether the others are there to take its ranges: each of them alive, and at least one that may have some. */
function canSpare(scale: Scale, last: string): boolean {
  if (scale.nowMs < scale.calledOffUntilMs) return false;
  const others = Array.from({ length: scale.replicas - 1 }, (_, ordinal) => shardOf(scale, ordinal));
  if (others.some((shard) => !scale.shards.has(shard))) return false;
  return [...scale.shards.values()].some(
    ({ id, isLeaving }) => id !== last && isLeaving !== true && drainersOf(scale.drains.get(id) ?? {}).length === 0,
  );
}

/** Those that it is given, and those that it still works on. */
function rangesOf({ ranges, shards }: Scale, shard: string): number {
  const given = ranges.filter(({ owner, state }) => owner === shard && state !== 'sealed').length;
  return Math.max(given, shards.get(shard)?.ranges ?? 0);
}

function shardOf({ name }: Scale, ordinal: number): string {
  return `${name}-${ordinal}`;
}

/** Undefined: it is none of the StatefulSet's. */
function ordinalOf({ name }: Scale, shard: string): number | undefined {
  const digits = shard.startsWith(`${name}-`) ? shard.slice(name.length + 1) : '';
  return /^\d+$/.test(digits) ? Number(digits) : undefined;
}
