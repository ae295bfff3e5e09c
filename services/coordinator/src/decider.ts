/**
 * The leader's memory of the load, and what it makes of it: where ranges should be, which should be split and merged,
 * and the plan that says so. What was done is read from coordination wherever it rests there; what is only here are
 * measurements, and which ranges were moved lately.
 */
import type { Coordination, Operation } from '@chappe/coordination/coordination';
import { formatPlan, planKey, type ClusterPlan, type PlanAction } from '@chappe/ranges/cluster-plan';
import type { Range } from '@chappe/ranges/range';
import { formatReshape, isEnded, parseReshape, reshapePrefix, type Reshape } from '@chappe/ranges/reshape';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import type { Move } from './balance.ts';
import type { DecisionSettings } from './decision-settings.ts';
import { decideShape, type Shape, type ShapeAction } from './decide-shape.ts';
import type { CoordinatorEvents } from './events.ts';
import { imbalanceOf } from './imbalance.ts';
import type { Journal } from './journal.ts';
import type { Leadership } from './leadership.ts';
import { loadNoteMs, planLinesMax } from './limits.ts';
import { planAssignments, type Placement } from './plan.ts';
import { noLoads, noteLoads, rateOf, type RangeLoads } from './range-loads.ts';

export interface DeciderDependencies {
  readonly instance: string;
  readonly coordination: Coordination;
  readonly events: CoordinatorEvents;
  readonly journal: Journal;
  readonly settings: DecisionSettings;
  /** What the cluster began with. */
  readonly rangesLeast: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** A monotonic clock in ms. */
  readonly monotonicMs: () => number;
}

/** What one look of the coordinator found. */
export interface Look {
  readonly ranges: readonly Range[];
  /** Leaving if they are drained. */
  readonly shards: readonly ShardInfo[];
  readonly missing: ReadonlySet<string>;
  readonly pins: ReadonlyMap<string, string>;
}

export class Decider {
  readonly #dependencies: DeciderDependencies;
  readonly #leadership: Leadership;
  readonly #watchedSinceMs: number;
  #loads: RangeLoads = noLoads;
  /** By range, as long as it is to stay for that. */
  readonly #movedAtMs = new Map<string, number>();
  /** By shard: its process, and when that was first seen. */
  readonly #joined = new Map<string, { readonly instance: string; readonly atMs: number }>();
  #reshapes: readonly Reshape[] = [];
  #shapedAtMs = -Infinity;
  #written = '';

  constructor(dependencies: DeciderDependencies, leadership: Leadership) {
    this.#dependencies = dependencies;
    this.#leadership = leadership;
    this.#watchedSinceMs = dependencies.now();
  }

  /** Who should work on which range. */
  place(look: Look): Placement {
    const { settings, monotonicMs } = this.#dependencies;
    const atMs = monotonicMs();
    if (atMs - this.#loads.atMs >= loadNoteMs || this.#loads.sinceMs === undefined)
      this.#loads = noteLoads(this.#loads, look.ranges, look.shards, atMs, settings);
    this.#noteShards(look.shards, atMs);
    for (const [id, ms] of this.#movedAtMs) if (atMs - ms >= settings.moveRestMs) this.#movedAtMs.delete(id);
    return planAssignments(look.ranges, look.shards, look.missing, {
      pins: look.pins,
      loads: this.#loads,
      reshaped: new Set(this.#reshapes.filter((one) => !isEnded(one)).flatMap(({ old, made }) => [...old, ...made])),
      movedAtMs: this.#movedAtMs,
      joinedAtMs: new Map([...this.#joined].map(([id, joined]) => [id, joined.atMs])),
      settings,
    });
  }

  #noteShards(shards: readonly ShardInfo[], atMs: number): void {
    const alive = new Set(shards.map(({ id }) => id));
    for (const id of this.#joined.keys()) if (!alive.has(id)) this.#joined.delete(id);
    for (const { id, instance } of shards)
      if (this.#joined.get(id)?.instance !== instance) this.#joined.set(id, { instance, atMs });
  }

  /** A range was given to another shard for balance. */
  moved(rangeId: string): void {
    this.#movedAtMs.set(rangeId, this.#loads.atMs);
    this.#dependencies.events.decided('move');
  }

  /** Now and then: asks for splits and merges, and writes down what is planned. */
  async shape(look: Look, placement: Placement): Promise<void> {
    const { coordination, settings, rangesLeast, now, monotonicMs, events } = this.#dependencies;
    if (monotonicMs() - this.#shapedAtMs < settings.shapeLookMs) return;
    this.#shapedAtMs = monotonicMs();
    const { entries } = await coordination.list(reshapePrefix);
    this.#reshapes = entries.map(({ value }) => parseReshape(value));
    const { ranges, shards, pins } = look;
    const view = { ranges, shards, pins, loads: this.#loads, reshapes: this.#reshapes, rangesLeast, settings };
    // While a shard may be dead its ranges come first.
    const shape = look.missing.size > 0 ? { actions: [], later: [], held: [] } : decideShape({ ...view, nowMs: now() });
    for (const [index, action] of shape.actions.entries()) await this.#ask(action, index);
    events.planned(imbalanceOf(ranges, shards, this.#loads));
    await this.#write(this.#planOf(look, placement, shape));
  }

  /** As an operator does, in the record that the reshaper goes by. @param no tells those of one look apart */
  async #ask({ kind, ranges, cuts, why }: ShapeAction, no: number): Promise<void> {
    const { coordination, journal, events, now } = this.#dependencies;
    const id = `load-${now().toString(36)}-${no}`;
    const reshape: Reshape = {
      id,
      step: 'requested',
      old: ranges,
      cuts,
      made: [],
      ends: {},
      reason: why,
      sinceMs: now(),
    };
    const key = reshapePrefix + id;
    const { succeeded } = await coordination.transact(
      [this.#leadership.compare, { key, absent: true }],
      [
        { kind: 'put', key, value: formatReshape(reshape) },
        journal.line(`reshape ${id}: ${sentenceOf(kind, ranges, cuts)}: ${why}`),
      ],
    );
    if (!succeeded) return;
    this.#reshapes = [...this.#reshapes, reshape];
    events.decided(kind);
  }

  #planOf({ ranges, shards }: Look, placement: Placement, shape: Shape): ClusterPlan {
    const { instance, now } = this.#dependencies;
    const held = Map.groupBy(ranges, ({ owner }) => owner ?? '');
    return {
      atMs: now(),
      leader: instance,
      watchedSinceMs: this.#watchedSinceMs,
      places: shards.toSorted(byZoneAndId).map(({ id, zone, capacity, isLeaving }) => {
        const own = (held.get(id) ?? []).filter(({ state }) => state !== 'sealed');
        const load = own.reduce((sum, range) => sum + rateOf(this.#loads, range.id), 0);
        return { shard: id, zone, capacity, load: Math.round(load), ranges: own.length, isLeaving: isLeaving === true };
      }),
      actions: [
        ...shape.actions.map((action) => ({ ...action, isBegun: true })),
        ...placement.moves.map((move) => actionOf(move, true)),
        ...shape.later.map((action) => ({ ...action, isBegun: false })),
        ...placement.later.map((move) => actionOf(move, false)),
      ].slice(0, planLinesMax),
      held: [...shape.held, ...placement.held].slice(0, planLinesMax),
    };
  }

  async #write(plan: ClusterPlan): Promise<void> {
    const { coordination } = this.#dependencies;
    const { atMs: _atMs, ...rest } = plan;
    const said = JSON.stringify(rest);
    if (said === this.#written) return;
    const put: Operation = { kind: 'put', key: planKey, value: formatPlan(plan) };
    const { succeeded } = await coordination.transact([this.#leadership.compare], [put]);
    if (succeeded) this.#written = said;
  }
}

function sentenceOf(kind: ShapeAction['kind'], ranges: readonly string[], cuts: readonly string[]): string {
  return kind === 'split' ? `split of ${ranges.join()} at ${cuts.join()}` : `merge of ${ranges.join(' and ')}`;
}

function actionOf({ range, shard, why }: Move, isBegun: boolean): PlanAction {
  return { kind: 'move', ranges: [range.id], cuts: [], to: shard.id, why, isBegun };
}

function byZoneAndId(a: ShardInfo, b: ShardInfo): number {
  if (a.zone !== b.zone) return a.zone < b.zone ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}
