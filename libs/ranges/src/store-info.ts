/**
 * A store: a database that has the rows of some ranges, as it rests under `stores/<id>` (docs/protocols.md, section 9).
 * Only the coordinator writes it.
 */
export interface StoreInfo {
  readonly id: string;
  /** Where it is, without a login: `mysql://host:port/database`, or `sqlite:<path>`. */
  readonly address: string;
  /** As it is written in the database itself: a copy has the same, another database does not. */
  readonly identity: string;
  /** Raised when it came back without its last commits: it is higher then than that of every range there ever was. */
  readonly incarnation: number;
}

export const storePrefix = 'stores/';

/** What ids of stores look like. */
export const storeIdPattern = /^[A-Za-z0-9._-]{1,64}$/;

/** Senders keep up to 12 connections to each of those that they use: so many stay below a server's usual limits of files. */
export const storesMax = 32;

/** What is wrong with an address of a store, in words; undefined: nothing. */
export function storeAddressProblem(address: string): string | undefined {
  if (/^mysql:\/\/[^/]*@/.test(address))
    return 'leave the login out of the address: it rests in the configuration of senders and coordinator';
  if (/^(mysql:\/\/[^\s/@:]+(:\d{1,5})?\/[\w$-]+|sqlite:\S+)$/.test(address)) return undefined;
  return 'the address of a store is like mysql://host:3306/database';
}

export function formatStore(store: StoreInfo): string {
  return JSON.stringify(store);
}

/** @throws Error naming the field that is wrong: what is in coordination was written by Chappe itself. */
export function parseStore(json: string): StoreInfo {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new Error('a store is not an object');
  const { id, address, identity, incarnation } = value as Partial<Record<keyof StoreInfo, unknown>>;
  if (typeof id !== 'string' || !storeIdPattern.test(id)) throw new Error('a store has no id');
  if (typeof address !== 'string' || address === '') throw new Error(`store ${id}: no address`);
  if (typeof identity !== 'string' || identity === '') throw new Error(`store ${id}: no identity`);
  if (typeof incarnation !== 'number' || !Number.isSafeInteger(incarnation))
    throw new Error(`store ${id}: incarnation is not a whole number`);
  return { id, address, identity, incarnation };
}
