/** Transactions and rows of the relay's tables, with the store's failures as callers may see them. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { StoreError, type Row, type SqlValue, type Store, type Transaction } from '@chappe/store/store';

/** A transaction that met another one is tried again so often; more would only add to the crowd. */
const attemptsMax = 3;

/** @throws ChappeError `storeUnavailable`; StoreError `conflict` and `invalid` as they are */
export async function transact<T>(store: Store, work: (tx: Transaction) => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await store.transaction(work);
    } catch (error) {
      if (!(error instanceof StoreError) || error.kind === 'conflict' || error.kind === 'invalid') throw error;
      if (error.kind === 'refused' && attempt < attemptsMax) continue;
      throw unavailable(error);
    }
  }
}

/** @throws ChappeError `storeUnavailable` */
export async function query(store: Store, sql: string, parameters: readonly SqlValue[]): Promise<Row[]> {
  try {
    return await store.query(sql, parameters);
  } catch (error) {
    if (error instanceof StoreError && error.kind !== 'invalid') throw unavailable(error);
    throw error;
  }
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new Error(`${column} is not a text`);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new Error(`${column} is not a number`);
  return value;
}

export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new Error(`${column} is not a blob`);
  return value;
}

function unavailable(error: StoreError): ChappeError {
  return new ChappeError('storeUnavailable', 'the registrations cannot be read or written now', {
    cause: error,
    retryAfterMs: 1_000,
  });
}
