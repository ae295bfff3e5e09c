/**
 * One open transaction of the MySQL store, as its work sees it.
 *
 * Statements that the work issues without waiting in between travel together, in their order, in one round trip.
 * The first statement that fails dooms the transaction: after a lock time-out MySQL has undone that statement
 * only, and would commit the half before it.
 */
import { ddlStatementMs, packetBytesMax, statementMs } from './limits.ts';
import type { Changed, MysqlConnection } from './mysql-connection.ts';
import { asStoreError } from './mysql-error.ts';
import { formatInserts, formatStatement } from './mysql-statement.ts';
import type { OnConflict, Query, Row, SqlValue, Table, Transaction } from './store.ts';
import { StoreError } from './store.ts';

/** Statements of one call, on their way with those of others. */
interface Issued {
  readonly sql: string;
  readonly texts: readonly string[];
  readonly withinMs: number;
  /** What it warns of is asked for right behind it. */
  readonly warns: boolean;
  readonly resolve: (changed: readonly Changed[]) => void;
  readonly reject: (error: StoreError) => void;
}

export class MysqlTransaction implements Transaction {
  readonly #connection: MysqlConnection;
  readonly #where: string;
  #issued: Issued[] = [];
  #sending: Promise<void> | undefined;
  #failure: StoreError | undefined;
  #hasBegun = false;
  #closed = false;

  constructor(connection: MysqlConnection, where: string) {
    this.#connection = connection;
    this.#where = where;
  }

  get connectionId(): number {
    return this.#connection.id;
  }

  /** Whether its first statement was done; before that the server knows nothing of it. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Whether a statement failed, so that the connection is not to be used again. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  async run(sql: string, parameters: readonly SqlValue[] = []): Promise<number> {
    const withinMs = isDdl.test(sql) ? ddlStatementMs : statementMs;
    const [changed] = await this.#issue(sql, () => [formatStatement(sql, parameters)], { withinMs });
    return changed?.matchedRows ?? 0;
  }

  async runMany(sql: string, parameterLists: readonly (readonly SqlValue[])[]): Promise<void> {
    await this.#issue(sql, () => parameterLists.map((parameters) => formatStatement(sql, parameters)));
  }

  async query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    const [rows] = await this.queryAll([{ sql, parameters }]);
    return rows ?? [];
  }

  async queryAll(queries: readonly Query[]): Promise<Row[][]> {
    this.#expectOpen();
    if (queries.length === 0) return [];
    await this.#sending;
    try {
      const texts = queries.map(({ sql, parameters = [] }) => formatStatement(sql, parameters));
      if (this.#hasBegun) return await this.#connection.queryAll(texts, statementMs);
      const [, ...rows] = await this.#connection.queryAll([startSql, ...texts], statementMs);
      this.#hasBegun = true;
      return rows;
    } catch (error) {
      throw this.#doom(error, queries.map(({ sql }) => sql).join('; '));
    }
  }

  queryForUpdate(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    return this.query(`${sql} FOR UPDATE`, parameters);
  }

  async insert(table: Table, rows: readonly (readonly SqlValue[])[], onConflict: OnConflict): Promise<number> {
    const sql = `an insert into ${table.name}`;
    const warns = onConflict === 'ignore';
    const changes = await this.#issue(sql, () => [...formatInserts(table, rows, onConflict, packetBytesMax)], {
      warns,
    });
    return changes.reduce((sum, { matchedRows }) => sum + matchedRows, 0);
  }

  /** Waits for what was issued; refuses the commit if a statement failed. */
  async end(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
    this.#closed = true;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#sending;
  }

  #issue(
    sql: string,
    format: () => readonly string[],
    { withinMs = statementMs, warns = false }: { readonly withinMs?: number; readonly warns?: boolean } = {},
  ): Promise<readonly Changed[]> {
    return new Promise((resolve, reject) => {
      this.#expectOpen();
      let texts: readonly string[];
      try {
        texts = format();
      } catch (error) {
        throw this.#doom(error, sql);
      }
      if (texts.length === 0) {
        resolve([]);
        return;
      }
      this.#issued.push({ sql, texts, withinMs, warns, resolve, reject });
      this.#sending ??= this.#send();
    });
  }

  async #send(): Promise<void> {
    // Whatever is issued in the same turn of the event loop's microtasks goes along.
    await Promise.resolve();
    while (this.#issued.length > 0) {
      const group = this.#takeGroup();
      try {
        if (this.#failure !== undefined) throw failedBefore();
        const changes = await this.#sendGroup(group);
        for (const [index, { resolve }] of group.entries()) resolve(changes[index] ?? []);
      } catch (error) {
        const failure = this.#doom(error, group.map(({ sql }) => sql).join('; '));
        for (const { reject } of group) reject(failure);
      }
    }
    this.#sending = undefined;
  }

  /** As many as fit into one packet, at least one; what may warn is the last. */
  #takeGroup(): Issued[] {
    let bytes = 0;
    let count = 0;
    for (const { texts, warns } of this.#issued) {
      bytes += texts.reduce((sum, text) => sum + text.length + 1, 0);
      if (count > 0 && bytes > packetBytesMax) break;
      count += 1;
      if (warns) break;
    }
    return this.#issued.splice(0, count);
  }

  async #sendGroup(group: readonly Issued[]): Promise<Changed[][]> {
    const texts = group.flatMap((issued) => issued.texts);
    const last = group.at(-1);
    const lastFrom = texts.length - (last?.texts.length ?? 0);
    const withinMs = Math.max(...group.map((issued) => issued.withinMs));
    const changes: Changed[] = [];
    for (let from = 0; from < texts.length;) {
      const packet = packetFrom(texts, from);
      changes.push(...(await this.#runAll(packet, withinMs)));
      from += packet.length;
      if (changes.length !== from) throw new Error('the server answered other statements than it was sent');
      const hasWarned = from > lastFrom && (changes.at(-1)?.warnings ?? 0) > 0;
      if (last?.warns === true && hasWarned) await this.#expectOnlyRepeats(last.sql);
    }
    let next = 0;
    return group.map(({ texts: own }) => changes.slice(next, (next += own.length)));
  }

  /** The first of them bring the transaction's begin along. */
  async #runAll(statements: readonly string[], withinMs: number): Promise<Changed[]> {
    if (this.#hasBegun) return this.#connection.runAll(statements, withinMs);
    const [, ...changes] = await this.#connection.runAll([startSql, ...statements], withinMs);
    this.#hasBegun = true;
    return changes;
  }

  /** INSERT IGNORE turns every mistake into a warning: a text that is cut, a second unique key. */
  async #expectOnlyRepeats(sql: string): Promise<void> {
    for (const { Code: code, Message: message } of await this.#connection.query('SHOW WARNINGS', statementMs)) {
      const isRepeat = code === 1062 && /for key '(?:[\w$]+\.)?PRIMARY'$/.test(String(message));
      if (isRepeat) continue;
      throw new StoreError('invalid', `the rows of ${sql} do not fit it: error ${String(code)}`);
    }
  }

  #expectOpen(): void {
    if (this.#closed) throw new StoreError('invalid', 'the transaction is over: await every statement in its work');
    if (this.#failure !== undefined) throw failedBefore();
  }

  #doom(error: unknown, sql: string): StoreError {
    const failure = asStoreError(error, this.#where, sql);
    this.#failure ??= failure;
    return failure;
  }
}

/** Texts that go together; an insert in several parts goes part by part, for its warnings. */
function packetFrom(texts: readonly string[], from: number): string[] {
  let bytes = 0;
  const packet: string[] = [];
  for (const text of texts.slice(from)) {
    bytes += text.length + 1;
    if (packet.length > 0 && bytes > packetBytesMax) break;
    packet.push(text);
  }
  return packet;
}

const startSql = 'START TRANSACTION';

function failedBefore(): StoreError {
  return new StoreError('invalid', 'a statement of this transaction failed before');
}

/** `EXECUTE`: of what a migration has prepared, see CONTRIBUTING.md. */
const isDdl = /^\s*(create|alter|drop|rename|optimize|execute)\b/i;
