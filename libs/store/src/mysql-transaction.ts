/**
 * One open transaction of the MySQL store, as its work sees it.
 *
 * The first statement that fails dooms it: after a lock time-out MySQL has undone that statement only,
 * and would commit the half before it.
 */
import { ddlStatementMs, insertBytesMax, statementMs } from './limits.ts';
import type { MysqlConnection } from './mysql-connection.ts';
import { asStoreError } from './mysql-error.ts';
import { formatInserts, formatStatement } from './mysql-statement.ts';
import type { OnConflict, Row, SqlValue, Table, Transaction } from './store.ts';
import { StoreError } from './store.ts';

export class MysqlTransaction implements Transaction {
  readonly #connection: MysqlConnection;
  readonly #where: string;
  #failure: Error | undefined;
  #closed = false;

  constructor(connection: MysqlConnection, where: string) {
    this.#connection = connection;
    this.#where = where;
  }

  get connectionId(): number {
    return this.#connection.id;
  }

  /** Whether a statement failed, so that the connection is not to be used again. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    return this.#attempt(sql, async () => {
      const text = formatStatement(sql, parameters);
      return (await this.#connection.run(text, isDdl.test(sql) ? ddlStatementMs : statementMs)).matchedRows;
    });
  }

  runMany(sql: string, parameterLists: readonly (readonly SqlValue[])[]): Promise<void> {
    return this.#attempt(sql, async () => {
      for (const parameters of parameterLists)
        await this.#connection.run(formatStatement(sql, parameters), statementMs);
    });
  }

  query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return this.#attempt(sql, () => this.#connection.query(formatStatement(sql, parameters), statementMs));
  }

  queryForUpdate(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return this.query(`${sql} FOR UPDATE`, parameters);
  }

  insert(table: Table, rows: readonly (readonly SqlValue[])[], onConflict: OnConflict): Promise<number> {
    return this.#attempt(`an insert into ${table.name}`, async () => {
      let count = 0;
      for (const text of formatInserts(table, rows, onConflict, insertBytesMax)) {
        const { matchedRows, warnings } = await this.#connection.run(text, statementMs);
        if (onConflict === 'ignore' && warnings > 0) await this.#expectOnlyRepeats(table);
        count += matchedRows;
      }
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

  /** INSERT IGNORE turns every mistake into a warning: a text that is cut, a second unique key. */
  async #expectOnlyRepeats(table: Table): Promise<void> {
    for (const { Code: code, Message: message } of await this.#connection.query('SHOW WARNINGS', statementMs)) {
      const isRepeat = code === 1062 && /for key '(?:[\w$]+\.)?PRIMARY'$/.test(String(message));
      if (!isRepeat) throw new StoreError('invalid', `rows of ${table.name} do not fit it: error ${String(code)}`);
    }
  }

  async #attempt<T>(sql: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new StoreError('invalid', 'the transaction is over: await every statement in its work');
    if (this.#failure !== undefined) throw new StoreError('invalid', 'a statement of this transaction failed before');
    try {
      return await work();
    } catch (error) {
      this.#failure = asStoreError(error, this.#where, sql);
      throw this.#failure;
    }
  }
}

/** `EXECUTE`: of what a migration has prepared, see CONTRIBUTING.md. */
const isDdl = /^\s*(create|alter|drop|rename|optimize|execute)\b/i;
