/**
 * The embedded driver of the store: one SQLite file in WAL mode, used by one process.
 *
 * One connection writes: transactions take turns, first come first served, each `BEGIN IMMEDIATE`.
 * A second, read-only connection answers `query`, so that it sees what is committed and nothing
 * else, even in the middle of an open transaction. Numbers are bound as doubles and stored as
 * integers by columns with INTEGER affinity, which every integer column must have.
 */
import { DatabaseSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { waitingTransactionsMax } from './limits.ts';
import { explainSqliteError, openSqliteFile, rollBack } from './sqlite-file.ts';
import { SqliteTransaction } from './sqlite-transaction.ts';
import { StatementCache } from './statement-cache.ts';
import type { Query, Row, SqlValue, Store, StoreErrorKind, Transaction } from './store.ts';
import { Rollback, StoreError } from './store.ts';

/** @throws StoreError `unavailable`: the file is in use, damaged, or cannot be written. */
export async function openSqliteStore(options: { readonly path: string }): Promise<Store> {
  let writer: DatabaseSync | undefined;
  try {
    writer = openSqliteFile(options.path, { exclusive: false });
    const reader = new DatabaseSync(options.path, { readOnly: true });
    return new SqliteStore(writer, reader, options.path);
  } catch (error) {
    writer?.close();
    throw asStoreError(error, options.path);
  }
}

class SqliteStore implements Store {
  readonly dialect = 'sqlite';
  readonly #writer: DatabaseSync;
  readonly #reader: DatabaseSync;
  readonly #path: string;
  readonly #written: StatementCache;
  readonly #read: StatementCache;
  readonly #waiting: (() => void)[] = [];
  #busy = false;
  #closed = false;

  constructor(writer: DatabaseSync, reader: DatabaseSync, path: string) {
    this.#writer = writer;
    this.#reader = reader;
    this.#path = path;
    this.#written = new StatementCache(writer);
    this.#read = new StatementCache(reader);
  }

  async query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    if (this.#closed) throw this.#closedError();
    return this.#guard(() => this.#read.get(sql).all(parameters));
  }

  async queryAll(queries: readonly Query[]): Promise<Row[][]> {
    if (this.#closed) throw this.#closedError();
    return this.#guard(() => queries.map(({ sql, parameters = [] }) => this.#read.get(sql).all(parameters)));
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    await this.#takeTurn();
    try {
      // Gives way to timers and sockets between transactions, which otherwise run without a pause.
      await nextTurn();
      return await this.#run(work);
    } finally {
      this.#endTurn();
    }
  }

  /** Nobody else writes to the file. */
  async endHolder(): Promise<boolean> {
    return false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await new Promise<void>((resolve) => {
      if (this.#busy) this.#waiting.push(resolve);
      else resolve();
    });
    this.#reader.close();
    this.#writer.close();
  }

  async #run<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    this.#guard(() => this.#writer.exec('BEGIN IMMEDIATE'));
    const tx = new SqliteTransaction(this.#written, (statement) => this.#guard(statement));
    let result: T;
    try {
      result = await work(tx);
      tx.end();
    } catch (error) {
      tx.close();
      this.#guard(() => rollBack(this.#writer));
      if (error instanceof Rollback) return (error satisfies Rollback<T>).result;
      throw error;
    }
    try {
      this.#writer.exec('COMMIT');
    } catch (error) {
      rollBack(this.#writer);
      throw asStoreError(error, this.#path);
    }
    return result;
  }

  async #takeTurn(): Promise<void> {
    if (this.#closed) throw this.#closedError();
    if (this.#waiting.length >= waitingTransactionsMax) {
      throw new StoreError('refused', `${waitingTransactionsMax} transactions wait already: try again`);
    }
    if (this.#busy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy = true;
  }

  #endTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy = false;
    else next();
  }

  #closedError(): StoreError {
    return new StoreError('unavailable', `the store ${this.#path} is closed`);
  }

  #guard<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw asStoreError(error, this.#path);
    }
  }
}

function asStoreError(error: unknown, path: string): StoreError {
  if (error instanceof StoreError) return error;
  const { fault, message } = explainSqliteError(error, path);
  const kinds: Record<typeof fault, StoreErrorKind> = {
    busy: 'refused',
    conflict: 'conflict',
    undecided: 'unknown',
    unavailable: 'unavailable',
    invalid: 'invalid',
  };
  return new StoreError(kinds[fault], message, { cause: error });
}
