/**
 * `leftovers/<range id>`: rows of a range that went to another store are still in its former one, and are to be deleted.
 * Written by the coordinator when nobody can want them back, deleted by the sender that has done it.
 */
export interface Leftover {
  /** The id of the range, which is gone. */
  readonly range: string;
  readonly start: string;
  readonly end: string;
  readonly store: string;
}

export const leftoverPrefix = 'leftovers/';

export function formatLeftover(leftover: Leftover): string {
  return JSON.stringify(leftover);
}

/** @throws Error if it is none */
export function parseLeftover(json: string): Leftover {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new Error('a leftover is not an object');
  const { range, start, end, store } = value as Partial<Record<keyof Leftover, unknown>>;
  if (typeof range !== 'string' || typeof start !== 'string' || typeof end !== 'string' || typeof store !== 'string')
    throw new Error('a leftover has no range, bounds or store');
  return { range, start, end, store };
}
