/**
 * `plan`: what the leading coordinator would do next about the load, and why, and what it does not do, and why not.
 * Written by the coordinator, read by gateways; nothing is decided by it.
 */

export const planKey = 'plan';

export interface ClusterPlan {
  /** Milliseconds since 1970, on the leader's clock. */
  readonly atMs: number;
  /** The process that leads. */
  readonly leader: string;
  /** Since when that one has watched the load. */
  readonly watchedSinceMs: number;
  readonly places: readonly PlanPlace[];
  readonly actions: readonly PlanAction[];
  readonly held: readonly PlanHeld[];
}

/** A shard. */
export interface PlanPlace {
  readonly shard: string;
  readonly zone: string;
  readonly ranges: number;
  /** Commands a second that come in for its ranges, averaged. */
  readonly load: number;
  /** Commands a second that it can take. */
  readonly capacity: number;
  /** Its ranges go to others. */
  readonly isLeaving: boolean;
}

export interface PlanAction {
  readonly kind: 'split' | 'merge' | 'move';
  readonly ranges: readonly string[];
  /** Of a split: where. */
  readonly cuts: readonly string[];
  /** Of a move: the shard. */
  readonly to?: string;
  readonly why: string;
  /** It is being done; else it waits for those that are. */
  readonly isBegun: boolean;
}

export interface PlanHeld {
  /** A range, a shard, or `moves`, `merges`, `splits and merges`. */
  readonly what: string;
  readonly why: string;
}

export function formatPlan(plan: ClusterPlan): string {
  return JSON.stringify(plan);
}

/** @throws Error naming what is wrong: it was written by Chappe itself */
export function parsePlan(json: string): ClusterPlan {
  const value: unknown = JSON.parse(json);
  assertPlan(value);
  return value;
}

function assertPlan(value: unknown): asserts value is ClusterPlan {
  if (typeof value !== 'object' || value === null) throw new Error('a plan is not an object');
  const plan = value as Partial<Record<keyof ClusterPlan, unknown>>;
  for (const name of ['atMs', 'watchedSinceMs'] as const)
    if (typeof plan[name] !== 'number') throw new Error(`a plan's ${name} is not a number`);
  if (typeof plan.leader !== 'string') throw new Error("a plan's leader is not a text");
  for (const name of ['places', 'actions', 'held'] as const)
    if (!Array.isArray(plan[name])) throw new Error(`a plan's ${name} is not a list`);
}
