/**
 * What an operator wants done to a store, as it rests under `store-changes/<store id>`: asked for by gateways, done or
 * refused by the coordinator. One at a time for each store; the last one stays for a while, to be read.
 */
import { storeIdPattern } from './store-info.ts';

const kinds = [
  /** There is a further database. */
  'add',
  /** The same database, with all that was committed, is at another address now. */
  'failover',
  /** The database came back without its last commits. */
  'restored',
] as const;

export type StoreChangeKind = (typeof kinds)[number];

export interface StoreChange {
  /** Of the store. */
  readonly id: string;
  readonly kind: StoreChangeKind;
  /** Where it is now. Absent: where it was. */
  readonly address?: string;
  /** Somebody vouches for it that nobody writes at the old address, which may still answer. */
  readonly oldIsFenced?: boolean;
  readonly step: 'requested' | 'done' | 'refused';
  /** Why it was refused, or what it waits for. */
  readonly problem?: string;
  /** Milliseconds since 1970, on the clock of whoever wrote it: when it came to its step. */
  readonly sinceMs: number;
}

export const storeChangePrefix = 'store-changes/';

function isStoreChangeKind(text: string): text is StoreChangeKind {
  return kinds.some((kind) => kind === text);
}

export function formatStoreChange(change: StoreChange): string {
  return JSON.stringify(change);
}

/** @throws Error naming the field that is wrong: what is in coordination was written by Chappe itself. */
export function parseStoreChange(json: string): StoreChange {
  const value: unknown = JSON.parse(json);
  assertStoreChange(value);
  return value;
}

function assertStoreChange(value: unknown): asserts value is StoreChange {
  if (typeof value !== 'object' || value === null) throw new Error('a change of a store is not an object');
  const { id, kind, address, step, sinceMs } = value as Partial<Record<keyof StoreChange, unknown>>;
  if (typeof id !== 'string' || !storeIdPattern.test(id)) throw new Error('a change of a store names none');
  if (typeof kind !== 'string' || !isStoreChangeKind(kind)) throw new Error(`store ${id}: unknown change`);
  if (address !== undefined && typeof address !== 'string') throw new Error(`store ${id}: address is not a text`);
  if (step !== 'requested' && step !== 'done' && step !== 'refused') throw new Error(`store ${id}: unknown step`);
  if (typeof sinceMs !== 'number') throw new Error(`store ${id}: sinceMs is not a number`);
}
