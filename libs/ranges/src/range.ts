/**
 * A range: a half-open interval [start, end) of phone numbers, as it rests under `ranges/<id>`.
 *
 * Owner and epoch say who should work on it; whose work counts is said by the row in the
 * database (docs/protocols.md, section 2).
 */
import type { Operation } from '@chappe/coordination/coordination';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { firstIncarnation } from '@chappe/store/store-mark';

export type RangeState =
  /** Producers append, its owner reads. */
  | 'active'
  /** Producers append; read only when the ranges that it replaces are drained. */
  | 'filling'
  /** Replaced: nobody appends, its owner works it off. */
  | 'draining'
  /** Replaced and worked off. */
  | 'sealed';

export interface Range {
  readonly id: string;
  /** Digits; `''`: from the first number. */
  readonly start: string;
  /** Digits, or `:` (`endOfNumbers`): to the last number. */
  readonly end: string;
  readonly state: RangeState;
  /** The id of the shard that should work on it. */
  readonly owner: string | undefined;
  /** The owner's process: after a restart the same shard is another owner and needs a new epoch. */
  readonly ownerInstance: string | undefined;
  /** The fencing token of the ownership; it only grows. */
  readonly epoch: number;
  readonly topic: string;
  /** The id of the store that has its rows. */
  readonly store: string;
  /** In which its store is worked on for it. Absent: the first. A higher one begins what was sealed or counted in it anew. */
  readonly incarnation?: number;
  /** While it is filling and its rows are in another store than its own yet: the id of that one. */
  readonly copiesFrom?: string;
  /** While it is filling: the ranges whose numbers it takes over. It is read when they are drained. */
  readonly replaces?: readonly string[];
  /** Once it is replaced and that is known: where its sealed topic ends. Nothing is done from that offset on. */
  readonly sealedAt?: number;
}

export const rangePrefix = 'ranges/';

/** Whether producers append to it. */
export function isAppendable(range: Range): boolean {
  return range.state === 'active' || range.state === 'filling';
}

export function incarnationOf({ incarnation }: Range): number {
  return incarnation ?? firstIncarnation;
}

/** A range's topic is named after its id, which is never used again. */
export function topicOf(rangeId: string): string {
  return `range-${rangeId}`;
}

export function formatRange(range: Range): string {
  return JSON.stringify(range);
}

/** Writes it where it rests. */
export function putRange(range: Range): Operation {
  return { kind: 'put', key: rangePrefix + range.id, value: formatRange(range) };
}

/** @throws Error naming the field that is wrong: what is in coordination was written by Chappe itself. */
export function parseRange(json: string): Range {
  const value: unknown = JSON.parse(json);
  if (!isObject(value)) throw new Error('a range is not an object');
  const {
    id,
    start,
    end,
    state,
    owner,
    ownerInstance,
    epoch,
    topic,
    store,
    replaces,
    sealedAt,
    incarnation,
    copiesFrom,
  } = value;
  if (typeof id !== 'string' || !/^[A-Za-z0-9._-]+$/.test(id)) throw new Error('a range has no id');
  if (typeof start !== 'string' || !/^\d*$/.test(start)) throw new Error(`range ${id}: start is not digits`);
  if (typeof end !== 'string' || !(end === endOfNumbers || /^\d+$/.test(end))) {
    throw new Error(`range ${id}: end is neither digits nor ${endOfNumbers}`);
  }
  if (start >= end) throw new Error(`range ${id}: it is empty, ${start} is not before ${end}`);
  if (!isState(state)) throw new Error(`range ${id}: unknown state`);
  if (owner !== undefined && typeof owner !== 'string') throw new Error(`range ${id}: owner is not a text`);
  if (ownerInstance !== undefined && typeof ownerInstance !== 'string') {
    throw new Error(`range ${id}: ownerInstance is not a text`);
  }
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || epoch < 0) {
    throw new Error(`range ${id}: epoch is not a whole number`);
  }
  if (typeof topic !== 'string' || topic === '') throw new Error(`range ${id}: no topic`);
  if (typeof store !== 'string' || store === '') throw new Error(`range ${id}: no store`);
  if (replaces !== undefined && !isTexts(replaces)) throw new Error(`range ${id}: replaces is not a list of ids`);
  if (sealedAt !== undefined && !(typeof sealedAt === 'number' && Number.isSafeInteger(sealedAt))) {
    throw new Error(`range ${id}: sealedAt is not an offset`);
  }
  if (incarnation !== undefined && !(typeof incarnation === 'number' && Number.isSafeInteger(incarnation))) {
    throw new Error(`range ${id}: incarnation is not a whole number`);
  }
  if (copiesFrom !== undefined && typeof copiesFrom !== 'string')
    throw new Error(`range ${id}: copiesFrom is not a text`);
  return Object.freeze({
    id,
    start,
    end,
    state,
    owner,
    ownerInstance,
    epoch,
    topic,
    store,
    ...(replaces === undefined ? {} : { replaces }),
    ...(sealedAt === undefined ? {} : { sealedAt }),
    ...(incarnation === undefined ? {} : { incarnation }),
    ...(copiesFrom === undefined ? {} : { copiesFrom }),
  });
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}

function isObject(value: unknown): value is Partial<Record<keyof Range, unknown>> {
  return typeof value === 'object' && value !== null;
}

function isState(value: unknown): value is RangeState {
  return value === 'active' || value === 'filling' || value === 'draining' || value === 'sealed';
}
