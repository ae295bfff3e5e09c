/**
 * `drains/<shard id>`: this shard is wanted without ranges. The key is there while anybody wants it; its value says
 * who, and since when, so that nobody takes back what another one wants.
 */
import {
  CoordinationError,
  type Compare,
  type Coordination,
  type KeyValue,
  type Operation,
} from '@chappe/coordination/coordination';
import { drainTriesMax } from './limits.ts';

export const drainPrefix = 'drains/';

const drainers = [
  /** `chappe drain`, until `--undo`. Written by gateways. */
  'operator',
  /** Its node is about to be emptied. Written by the coordinator, and taken back by it. */
  'node',
  /** It is the one that goes when there are fewer senders. Likewise. */
  'scaling',
] as const;

export type Drainer = (typeof drainers)[number];

/** Since when, in ms since 1970. */
export type Drain = Readonly<Partial<Record<Drainer, number>>>;

/** Who wants it, in the order of `Drainer`. */
export function drainersOf(drain: Drain): Drainer[] {
  return drainers.filter((drainer) => drain[drainer] !== undefined);
}

/** @throws Error naming what is wrong */
export function parseDrain(json: string): Drain {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new Error('a drain is not an object');
  for (const [drainer, since] of Object.entries(value)) {
    if (!drainers.some((known) => known === drainer))
      throw new Error(`a drain is wanted by ${drainer}, who is unknown`);
    if (typeof since !== 'number') throw new Error(`a drain by ${drainer} has no time`);
  }
  return value;
}

/** Of one transaction: one drainer begins to want a drain (`sinceMs`) or no longer does (`undefined`). */
export function drainChange(
  shard: string,
  entry: KeyValue | undefined,
  drainer: Drainer,
  sinceMs: number | undefined,
): { readonly drain: Drain; readonly compare: Compare; readonly operations: readonly Operation[] } {
  const key = drainPrefix + shard;
  const { [drainer]: before, ...others } = entry === undefined ? {} : parseDrain(entry.value);
  const drain: Drain = sinceMs === undefined ? others : { ...others, [drainer]: before ?? sinceMs };
  const compare = entry === undefined ? { key, absent: true as const } : { key, modRevision: entry.modRevision };
  const isWanted = drainersOf(drain).length > 0;
  if (before === drain[drainer] && isWanted === (entry !== undefined)) return { drain, compare, operations: [] };
  return {
    drain,
    compare,
    operations: [isWanted ? { kind: 'put', key, value: JSON.stringify(drain) } : { kind: 'delete', key }],
  };
}

/**
 * What `drainChange` says, written; again if somebody else changed it meanwhile. Idempotent: a drain that one wants
 * already keeps its time.
 *
 * @returns who wants it afterwards
 * @throws CoordinationError `unavailable`
 */
export async function changeDrain(
  coordination: Coordination,
  shard: string,
  drainer: Drainer,
  sinceMs: number | undefined,
): Promise<Drain> {
  for (let tries = 0; tries < drainTriesMax; tries += 1) {
    const change = drainChange(shard, await coordination.get(drainPrefix + shard), drainer, sinceMs);
    if (change.operations.length === 0) return change.drain;
    const { succeeded } = await coordination.transact([change.compare], change.operations);
    if (succeeded) return change.drain;
  }
  throw new CoordinationError('unavailable', `the drain of ${shard} was changed by others again and again`);
}
