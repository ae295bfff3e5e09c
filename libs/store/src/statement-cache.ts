/**
 * The prepared statements of one connection, the least recently used going first.
 *
 * What SQLite would let pass in silence is refused here: text after the first statement (it would
 * not run) and a wrong number of parameters (the missing ones would be NULL).
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { preparedStatementsMax } from './limits.ts';
import { refuseTransactionControl, refuseUnfit, splitAtPlaces, withoutQuotes } from './sql-text.ts';
import type { Row, SqlValue } from './store.ts';
import { StoreError } from './store.ts';

export class StatementCache {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, CheckedStatement>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  get(sql: string): CheckedStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) {
      this.#statements.delete(sql);
      this.#statements.set(sql, known);
      return known;
    }
    const fresh = this.#prepare(sql);
    if (this.#statements.size >= preparedStatementsMax) this.#dropOldest();
    this.#statements.set(sql, fresh);
    return fresh;
  }

  #prepare(sql: string): CheckedStatement {
    refuseTransactionControl(sql);
    const statement = this.#database.prepare(sql);
    if (withoutQuotes(sql.slice(statement.sourceSQL.length)).trim() !== '') {
      throw new StoreError('invalid', `more than one statement in: ${sql}`);
    }
    return new CheckedStatement(statement, sql);
  }

  #dropOldest(): void {
    for (const oldest of this.#statements.keys()) {
      this.#statements.delete(oldest);
      return;
    }
  }
}

/** A statement that runs only with parameters that fit it. */
export class CheckedStatement {
  readonly #statement: StatementSync;
  readonly #sql: string;
  readonly #places: number;

  constructor(statement: StatementSync, sql: string) {
    this.#statement = statement;
    this.#sql = sql;
    this.#places = splitAtPlaces(sql).length - 1;
  }

  /** The number of rows that it matched. */
  run(parameters: readonly SqlValue[]): number {
    this.#check(parameters);
    return Number(this.#statement.run(...parameters).changes);
  }

  all(parameters: readonly SqlValue[]): Row[] {
    this.#check(parameters);
    return this.#statement.all(...parameters).map(toRow);
  }

  #check(parameters: readonly SqlValue[]): void {
    refuseUnfit(parameters, this.#places, this.#sql);
  }
}

/** A plain object: `node:sqlite` makes rows without a prototype, which no other driver does. */
function toRow(row: Record<string, SQLOutputValue>): Row {
  const plain: Record<string, SqlValue> = {};
  for (const name in row) {
    const value = row[name];
    plain[name] = typeof value === 'bigint' || value === undefined ? null : value;
  }
  return plain;
}
