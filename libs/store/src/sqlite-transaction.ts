/**
 * One open transaction of the SQLite store, as its work sees it.
 *
 * The first statement that fails dooms it: whatever the work does with the error, nothing is
 * committed. So no half of a bulk insert survives, and every driver behaves alike.
 */
import type { StatementCache } from './statement-cache.ts';
import type { OnConflict, Query, Row, SqlValue, Table, Transaction } from './store.ts';
import { StoreError } from './store.ts';

export class SqliteTransaction implements Transaction {
  readonly connectionId = 0;
  readonly #statements: StatementCache;
  readonly #guard: <T>(work: () => T) => T;
  #failure: Error | undefined;
  #closed = false;

  constructor(statements: StatementCache, guard: <T>(work: () => T) => T) {
    this.#statements = statements;
    this.#guard = guard;
  }

  async run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    return this.#attempt(() => this.#statements.get(sql).run(parameters));
  }

  async runMany(sql: string, parameterLists: readonly (readonly SqlValue[])[]): Promise<void> {
    this.#attempt(() => {
      const statement = this.#statements.get(sql);
      for (const parameters of parameterLists) statement.run(parameters);
    });
  }

  async query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return this.#attempt(() => this.#statements.get(sql).all(parameters));
  }

  async queryAll(queries: readonly Query[]): Promise<Row[][]> {
    return this.#attempt(() => queries.map(({ sql, parameters = [] }) => this.#statements.get(sql).all(parameters)));
  }

  /** `BEGIN IMMEDIATE` has locked the file against every other writer. */
  queryForUpdate(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return this.query(sql, parameters);
  }

  /** One statement per row: in process there is no round trip that a statement of many rows would save. */
  async insert(table: Table, rows: readonly (readonly SqlValue[])[], onConflict: OnConflict): Promise<number> {
    return this.#attempt(() => {
      const statement = this.#statements.get(insertSql(table, onConflict));
      let count = 0;
      for (const row of rows) count += statement.run(row);
      return count;
    });
  }

  /** Refuses the commit if a statement failed. */
  end(): void {
    this.#closed = true;
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#closed = true;
  }

  #attempt<T>(work: () => T): T {
    if (this.#closed) throw new StoreError('invalid', 'the transaction is over: await every statement in its work');
    if (this.#failure !== undefined) throw new StoreError('invalid', 'a statement of this transaction failed before');
    try {
      return this.#guard(work);
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      throw error;
    }
  }
}

function insertSql({ name, key, columns }: Table, onConflict: OnConflict): string {
  const insert = `INSERT INTO ${name} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`;
  if (onConflict === 'fail') return insert;
  const others = columns.filter((column) => !key.includes(column));
  if (onConflict === 'ignore' || others.length === 0) return `${insert} ON CONFLICT (${key.join(', ')}) DO NOTHING`;
  const updates = others.map((column) => `${column} = excluded.${column}`);
  return `${insert} ON CONFLICT (${key.join(', ')}) DO UPDATE SET ${updates.join(', ')}`;
}
