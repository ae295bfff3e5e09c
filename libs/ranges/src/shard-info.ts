/** What a sender says of itself under `shards/<id>`, bound to its lease. */

export interface RangeLoad {
  /** The lowest offset that is not done. Absent: the shard has not come to read it. */
  readonly nextOffset?: number;
  /** Where its log ended when the shard last looked, some seconds ago. Absent: it has not looked. */
  readonly end?: number;
  /** How many records behind it are done: turns are taken by business. Absent: none. */
  readonly doneBeyond?: number;
  /** The businesses that have more of what waits than their share, those with the most first; some of them. Absent: none. */
  readonly aboveShare?: readonly string[];
  /** Commands a second. */
  readonly rate: number;
  /** Half of its commands are of numbers below: a prefix as short as tells the halves apart. Absent: too few to say. */
  readonly median?: string;
  /** It is read when the ranges that it replaces are drained. */
  readonly waitsForReplaced?: boolean;
  /** Why it does not get on. Absent: it does. */
  readonly problem?: string;
  /** With a problem: it waits for a person to look. */
  readonly isStopped?: boolean;
}

export interface ShardInfo {
  readonly id: string;
  /** Made anew with every start of the process. */
  readonly instance: string;
  /** `host:port` or `unix:/path` of its gRPC server. */
  readonly address: string;
  /** Where it runs; empty: it is not known yet. */
  readonly zone: string;
  /** Commands a second that it can take. */
  readonly capacity: number;
  /** How many ranges it holds. */
  readonly ranges: number;
  /** Commands a second, over its ranges. */
  readonly rate: number;
  readonly attachedDevices: number;
  /** It is about to end: its ranges are to be given to others. */
  readonly isLeaving?: boolean;
  /** By range id; a range that it was given and does not have yet is not in it. */
  readonly load: Readonly<Record<string, RangeLoad>>;
}

export const shardPrefix = 'shards/';

export function formatShardInfo(info: ShardInfo): string {
  return JSON.stringify(info);
}

/** @throws Error naming the field that is wrong */
export function parseShardInfo(json: string): ShardInfo {
  const value: unknown = JSON.parse(json);
  assertShardInfo(value);
  return value;
}

function assertShardInfo(value: unknown): asserts value is ShardInfo {
  if (!isObject(value)) throw new Error('a shard is not an object');
  for (const name of ['id', 'instance', 'address', 'zone']) {
    if (typeof value[name] !== 'string') throw new Error(`a shard's ${name} is not a text`);
  }
  for (const name of ['capacity', 'ranges', 'rate', 'attachedDevices']) {
    if (typeof value[name] !== 'number') throw new Error(`a shard's ${name} is not a number`);
  }
  const { load } = value;
  if (!isObject(load)) throw new Error("a shard's load is not an object");
  for (const [rangeId, entry] of Object.entries(load)) {
    if (!isObject(entry) || typeof entry['rate'] !== 'number' || !isOptional(entry['nextOffset'], 'number')) {
      throw new Error(`a shard's load of range ${rangeId} has no rate, or a nextOffset that is no number`);
    }
    if (!isOptional(entry['end'], 'number')) throw new Error(`a shard's end of range ${rangeId} is not a number`);
    if (!isOptional(entry['doneBeyond'], 'number')) {
      throw new Error(`a shard's doneBeyond of range ${rangeId} is not a number`);
    }
    if (!areTexts(entry['aboveShare'] ?? [])) {
      throw new Error(`a shard's aboveShare of range ${rangeId} is not a list of ids`);
    }
    if (!isOptional(entry['problem'], 'string')) throw new Error(`a shard's problem of range ${rangeId} is not a text`);
  }
}

function isOptional(value: unknown, type: 'number' | 'string'): boolean {
  return value === undefined || typeof value === type;
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
