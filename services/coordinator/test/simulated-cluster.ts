/**
 * A cluster as the scaling sees it: ranges that get commands, shards that work them off at their capacity, a
 * StatefulSet that takes its time to start one and removes the last. Time goes in steps of a second. What decides is
 * the coordinator's own.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { Drain } from '@chappe/ranges/drain';
import { loadLookMs } from '../src/limits.ts';
import { loadOf, noteEnds, type Ends, type Load } from '../src/load.ts';
import { nextScaleStep } from '../src/scale-steps.ts';
import { decideScaling, type ScalingReason, type ScalingSettings, type ScalingState } from '../src/scaling.ts';

export interface ClusterModel {
  readonly senders: number;
  readonly ranges: number;
  readonly zones: readonly string[];
  /** What a shard says that it takes, and what it does. */
  readonly says: number;
  readonly does: number;
  readonly startMs: number;
  /** A range is with its next owner after so long. */
  readonly moveMs: number;
}

export interface Moment {
  readonly ms: number;
  readonly arrivals: number;
  readonly load: Load;
  readonly replicas: number;
  readonly desired: number;
  readonly reason: ScalingReason;
}

interface SimulatedRange {
  readonly id: string;
  end: number;
  next: number;
  owner: number;
  movesAtMs: number | undefined;
}

/** @param arrivalsAt commands a second at a time @returns each look at the load */
export function simulate(
  model: ClusterModel,
  settings: ScalingSettings,
  endMs: number,
  arrivalsAt: (ms: number) => number,
): Moment[] {
  const cluster = new SimulatedCluster(model);
  const moments: Moment[] = [];
  let state: ScalingState | undefined;
  let ends: Ends = new Map();
  for (let ms = 0; ms < endMs; ms += 1000) {
    const arrivals = arrivalsAt(ms);
    cluster.second(ms, arrivals);
    const shards = cluster.shards(ms);
    if (ms % loadLookMs === 0) {
      const now = new Map(cluster.ranges.map(({ id, end }) => [`range-${id}`, Math.floor(end)]));
      ends = noteEnds(ends, new Set(now.keys()), now, ms);
      const load = loadOf(ends, cluster.table(), shards, ms);
      const seen = { atMs: ms, replicas: cluster.replicas, areAllAlive: shards.length >= cluster.replicas, load };
      const decision = decideScaling(state, seen, settings);
      state = decision.state;
      const { desired, reason } = decision;
      moments.push({ ms, arrivals, load, replicas: cluster.replicas, desired, reason });
    }
    cluster.scaleTo(state?.desired ?? model.senders, shards, ms);
  }
  return moments;
}

class SimulatedCluster {
  readonly ranges: SimulatedRange[];
  replicas: number;
  readonly #model: ClusterModel;
  /** By ordinal: since when it works. */
  readonly #readyAtMs: number[];
  readonly #drains = new Map<string, Drain>();
  readonly #rates = new Map<number, number>();

  constructor(model: ClusterModel) {
    this.#model = model;
    this.replicas = model.senders;
    this.#readyAtMs = Array.from({ length: model.senders }, () => 0);
    this.ranges = Array.from({ length: model.ranges }, (_, index) => ({
      id: `r${index}`,
      end: 0,
      next: 0,
      owner: index % model.senders,
      movesAtMs: undefined,
    }));
  }

  second(ms: number, arrivals: number): void {
    for (const range of this.ranges) range.end += arrivals / this.ranges.length;
    this.#move(ms);
    for (const ordinal of this.#readyAtMs.keys()) {
      let left = (this.#readyAtMs[ordinal] ?? Infinity) <= ms ? this.#model.does : 0;
      const own = this.ranges.filter(({ owner, movesAtMs }) => owner === ordinal && movesAtMs === undefined);
      const before = left;
      for (const [index, range] of own.entries()) {
        const done = Math.min(range.end - range.next, left / (own.length - index));
        range.next += done;
        left -= done;
      }
      this.#rates.set(ordinal, before - left);
    }
  }

  /** Ranges of those that go, or more than a share, move one at a time. */
  #move(ms: number): void {
    for (const range of this.ranges) if ((range.movesAtMs ?? Infinity) <= ms) range.movesAtMs = undefined;
    if (this.ranges.some(({ movesAtMs }) => movesAtMs !== undefined)) return;
    const countOf = (ordinal: number): number => this.ranges.filter(({ owner }) => owner === ordinal).length;
    const takers = [...this.#readyAtMs.keys()].filter(
      (ordinal) => (this.#readyAtMs[ordinal] ?? Infinity) <= ms && !this.#drains.has(`sender-${ordinal}`),
    );
    const emptiest = takers.toSorted((a, b) => countOf(a) - countOf(b))[0];
    const giver = [...this.#readyAtMs.keys()].toSorted((a, b) => countOf(b) - countOf(a));
    const from = giver.find(
      (ordinal) =>
        countOf(ordinal) > 0 &&
        (this.#drains.has(`sender-${ordinal}`) || countOf(ordinal) > countOf(emptiest ?? ordinal) + 1),
    );
    const range = this.ranges.find(({ owner }) => owner === from);
    if (range === undefined || emptiest === undefined) return;
    range.owner = emptiest;
    range.movesAtMs = ms + this.#model.moveMs;
  }

  shards(ms: number): ShardInfo[] {
    return [...this.#readyAtMs.keys()]
      .filter((ordinal) => (this.#readyAtMs[ordinal] ?? Infinity) <= ms)
      .map((ordinal) => {
        const own = this.ranges.filter(({ owner, movesAtMs }) => owner === ordinal && movesAtMs === undefined);
        return {
          id: `sender-${ordinal}`,
          instance: 'i',
          address: '',
          zone: this.#model.zones[ordinal % this.#model.zones.length] ?? '',
          capacity: this.#model.says,
          ranges: own.length,
          rate: this.#rates.get(ordinal) ?? 0,
          attachedDevices: 0,
          load: Object.fromEntries(own.map(({ id, next }) => [id, { rate: 0, nextOffset: Math.floor(next) }])),
        };
      });
  }

  table(): Range[] {
    return this.ranges.map(({ id, owner }) => ({
      id,
      start: '',
      end: ':',
      state: 'active',
      owner: `sender-${owner}`,
      ownerInstance: 'i',
      epoch: 1,
      topic: `range-${id}`,
      store: 'main',
    }));
  }

  /** As the coordinator does it, step by step. */
  scaleTo(desired: number, shards: readonly ShardInfo[], ms: number): void {
    const step = nextScaleStep({
      name: 'sender',
      replicas: this.replicas,
      desired,
      shards: new Map(shards.map((shard) => [shard.id, shard])),
      ranges: this.table(),
      drains: this.#drains,
      pods: new Set(this.#readyAtMs.keys().map((ordinal) => `sender-${ordinal}`)),
      nowMs: ms,
      drainMsMax: 300_000,
      calledOffUntilMs: 0,
    });
    if (step.kind === 'drain') this.#drains.set(step.shard, { scaling: ms });
    if (step.kind === 'takeBack') this.#drains.delete(step.shard);
    if (step.kind !== 'setReplicas') return;
    this.replicas = step.replicas;
    while (this.#readyAtMs.length > step.replicas) {
      const gone = this.#readyAtMs.length - 1;
      if (this.ranges.some(({ owner }) => owner === gone)) throw new Error('a sender went with ranges');
      this.#readyAtMs.pop();
    }
    while (this.#readyAtMs.length < step.replicas) this.#readyAtMs.push(ms + this.#model.startMs);
  }
}
