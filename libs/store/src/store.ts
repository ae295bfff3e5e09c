/**
 * The port to the SQL store.
 *
 * Drivers: an SQLite file (`sqlite-store.ts`), MySQL and MariaDB (`mysql-store.ts`). Every driver passes
 * `conformance.ts`. SQL is written beside its use in the part of the language that both speak,
 * with `?` for parameters; where they differ (upserts, row locks) the port has a verb.
 * Values: `number` (safe integers or doubles), `string`, `Uint8Array`, `null`; anything else, and
 * an integer beyond 2^53 - 1, is `invalid`. A `?` in quotes is text.
 */

export type SqlValue = number | string | Uint8Array | null;
export type Row = Readonly<Record<string, SqlValue>>;

/** One statement that reads, with its parameters. */
export interface Query {
  readonly sql: string;
  readonly parameters?: readonly SqlValue[];
}

/** A table's shape for the bulk verbs; `key` is its primary key. */
export interface Table {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: readonly string[];
}

/** What happens to a row whose key is there already. */
export type OnConflict = 'fail' | 'ignore' | 'replace';

/** Statements run in the order in which they are issued; those issued without waiting in between share a round trip. */
export interface Transaction {
  /**
   * The server's id of the connection that this runs on, for `Store.endHolder`; 0 in an embedded
   * store, where no other process can hold a row.
   */
  readonly connectionId: number;
  /** Runs one statement; the number of rows that it matched. */
  run(sql: string, parameters?: readonly SqlValue[]): Promise<number>;
  /** Runs one statement for each parameter list. */
  runMany(sql: string, parameterLists: readonly (readonly SqlValue[])[]): Promise<void>;
  query(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
  /** Several of them in one round trip, one after the other; the rows of each. */
  queryAll(queries: readonly Query[]): Promise<Row[][]>;
  /** As `query`, and locks the rows until the end (`FOR UPDATE`; SQLite locks the whole file). */
  queryForUpdate(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
  /**
   * Inserts rows, values in the order of `table.columns`, in as few statements as the driver
   * can. With `replace` every column that is not in the key is overwritten. The number of rows
   * that were new (for `fail` and `ignore`).
   *
   * @throws StoreError `conflict` with `fail` if a key is there.
   */
  insert(table: Table, rows: readonly (readonly SqlValue[])[], onConflict: OnConflict): Promise<number>;
}

export type StoreErrorKind =
  /** Deadlock, lock time-out, busy, too many waiting: nothing happened, the same transaction may be tried again. */
  | 'refused'
  /** A unique key is there already: nothing happened. */
  | 'conflict'
  /** The connection was lost while committing: it happened or not. */
  | 'unknown'
  /** The store cannot be reached, is full or read-only: nothing happened. */
  | 'unavailable'
  /** The statement is wrong: a bug. */
  | 'invalid';

export class StoreError extends Error {
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreError';
    this.kind = kind;
  }
}

export interface Store extends AsyncDisposable {
  /** For migrations, which are written once for each. */
  readonly dialect: 'sqlite' | 'mysql';
  /** Reads outside a transaction what is committed now. */
  query(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]>;
  /** Several of them in one round trip, one after the other; the rows of each. */
  queryAll(queries: readonly Query[]): Promise<Row[][]>;
  /**
   * Runs `work` in one READ COMMITTED transaction and commits it. If `work` throws, everything
   * is rolled back and its error is thrown on (a `Rollback`'s result is returned). `work` awaits
   * nothing but the transaction, and begins no other one. It is run again if its first statement
   * found a connection that was closed already. After a statement has failed nothing is
   * committed, even if `work` goes on.
   *
   * @throws StoreError
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T>;
  /**
   * Ends the connection whose id `sql` reads as its only column, from any process of the same user:
   * its open transaction is rolled back and its locks are gone. The read sees what is not committed,
   * so it finds who holds a row if every transaction first writes its `connectionId` there. For a
   * claim that waits for an owner which is frozen in mid-transaction. Whether one was ended; an
   * embedded store has none.
   *
   * @throws StoreError
   */
  endHolder(sql: string, parameters?: readonly SqlValue[]): Promise<boolean>;
}

/** Ends `transaction` with a rollback and a result. */
export class Rollback<T> extends Error {
  readonly result: T;

  constructor(result: T) {
    super('rolled back on purpose');
    this.result = result;
  }
}
