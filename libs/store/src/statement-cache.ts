/**
 * The prepared statements of one connection, the least recently used going first.
 *
 * What SQLite would let pass in silence is refused here: text after the first statement (it would
 * not run) and a wrong number of parameters (the missing ones would be NULL).
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { preparedStatementsMax } from './limits.ts';
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
    if (transactionControl.test(sql)) {
      throw new StoreError('invalid', `transactions are begun and ended by the store, not by: ${sql}`);
    }
    const statement = this.#database.prepare(sql);
    if (sql.slice(statement.sourceSQL.length).replace(quotedOrComment, '').trim() !== '') {
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
    this.#places = countPlaces(sql);
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
    if (parameters.length !== this.#places) {
      throw new StoreError('invalid', `${parameters.length} parameters for ${this.#places} places in: ${this.#sql}`);
    }
    for (const value of parameters) {
      const refusal = refuse(value);
      if (refusal !== undefined) throw new StoreError('invalid', `${refusal}, in: ${this.#sql}`);
    }
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

/** The `?` outside of quotes and comments. */
function countPlaces(sql: string): number {
  return sql.replace(quotedOrComment, '').split('?').length - 1;
}

function refuse(value: unknown): string | undefined {
  if (typeof value === 'string' || value === null || value instanceof Uint8Array) return undefined;
  if (typeof value !== 'number') return `a parameter is a ${typeof value}, not a number, string, Uint8Array or null`;
  if (!Number.isFinite(value)) return 'a number parameter is not finite';
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return 'an integer parameter is beyond 2^53 - 1';
  return undefined;
}

const transactionControl = /^\s*(begin|commit|end|rollback|savepoint|release|attach|detach|pragma|vacuum)\b/i;
const quotedOrComment = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\//g;
