/**
 * Which database this is, and how often it came back without its last commits: one row in the database itself.
 *
 * A copy has the row as well, so a replica that was promoted, or a backup that was restored, is known again, and any
 * other database is not. `incarnation` grows when it came back without its last commits; a copy from before that has a
 * lower one.
 */
import { randomUUID } from 'node:crypto';
import { StoreError, type Row, type Store, type Table } from './store.ts';

export interface StoreMark {
  readonly identity: string;
  readonly incarnation: number;
}

/** A new database begins with it. */
export const firstIncarnation = 1;

/** One row, of the columns of `StoreMark`. */
export const readMarkSql = 'SELECT identity, incarnation FROM store_mark';

/** The mark of a database, made if it has none. */
export async function makeMark(store: Store): Promise<StoreMark> {
  await store.transaction((tx) => tx.run(createMarkTable));
  await store.transaction((tx) => tx.insert(markTable, [[1, randomUUID(), firstIncarnation]], 'ignore'));
  const mark = markOf(await store.query(readMarkSql));
  if (mark === undefined) throw new Error('a mark that was just made is not there');
  return mark;
}

/** Undefined: it has none. @throws StoreError */
export async function readMark(store: Store): Promise<StoreMark | undefined> {
  try {
    return markOf(await store.query(readMarkSql));
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'invalid') return undefined;
    throw error;
  }
}

/** From its commit on, whoever expects a lower incarnation is refused. Nothing happens if it is as high already. */
export async function raiseMark(store: Store, { identity, incarnation }: StoreMark): Promise<void> {
  await store.transaction((tx) =>
    tx.run('UPDATE store_mark SET incarnation = ? WHERE identity = ? AND incarnation < ?', [
      incarnation,
      identity,
      incarnation,
    ]),
  );
}

export function markOf([row]: readonly Row[]): StoreMark | undefined {
  return row === undefined ? undefined : { identity: String(row['identity']), incarnation: Number(row['incarnation']) };
}

/** @throws StoreError `unavailable`: it is another database than the one that is expected, or a copy from another time */
export function expectMark(found: StoreMark | undefined, expected: StoreMark, where: string): void {
  if (found === undefined) throw new StoreError('unavailable', `${where} is no store of this cluster: it has no mark`);
  if (found.identity !== expected.identity)
    throw new StoreError('unavailable', `${where} is another database: ${found.identity}, not ${expected.identity}`);
  if (found.incarnation === expected.incarnation) return;
  const what = found.incarnation < expected.incarnation ? 'a copy from before that' : 'ahead of what is known here';
  throw new StoreError(
    'unavailable',
    `${where} is at incarnation ${found.incarnation}, and incarnation ${expected.incarnation} is expected: it is ${what}`,
  );
}

const markTable: Table = { name: 'store_mark', key: ['only'], columns: ['only', 'identity', 'incarnation'] };

/** Written by whoever comes first; one row. */
const createMarkTable = `
  CREATE TABLE IF NOT EXISTS store_mark (
    only INTEGER NOT NULL,
    identity VARCHAR(64) NOT NULL,
    incarnation BIGINT NOT NULL,
    PRIMARY KEY (only)
  )`;
