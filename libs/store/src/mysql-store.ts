/**
 * The store in MySQL 8 or MariaDB, for clusters.
 *
 * Every session is READ COMMITTED: under REPEATABLE READ a plain read sees the past of its first
 * statement and would miss a rival's committed claim. After any error of a statement the transaction
 * is rolled back and the connection dropped. A COMMIT that is not confirmed is `unknown`.
 */
import { isIP } from 'node:net';
import { connectMs, readConnectionsMax, sessionTimeoutMs, statementMs, transactionConnectionsMax } from './limits.ts';
import type { MysqlConnection, MysqlServer } from './mysql-connection.ts';
import { asCommitError, asStoreError } from './mysql-error.ts';
import type { Taken } from './mysql-pool.ts';
import { MysqlPool } from './mysql-pool.ts';
import { checkMysql } from './mysql-check.ts';
import { formatStatement } from './mysql-statement.ts';
import { MysqlTransaction } from './mysql-transaction.ts';
import type { Query, Row, SqlValue, Store, Transaction } from './store.ts';
import { Rollback, StoreError } from './store.ts';

export interface MysqlStoreOptions extends MysqlServer {
  readonly transactionConnectionsMax?: number;
  readonly readConnectionsMax?: number;
  /** The TTL of leases: how long the server keeps the locks of a process that stands still. */
  readonly sessionTimeoutMs?: number;
}

/**
 * Reads `mysql://user:password@host:port/database`.
 *
 * @throws StoreError `invalid`; the message does not quote the URL, which holds a password
 */
export function mysqlServerOf(url: string): MysqlServer {
  const parsed = URL.parse(url);
  const database = parsed?.pathname.slice(1) ?? '';
  if (parsed === null || parsed.protocol !== 'mysql:' || parsed.hostname === '' || !/^[\w$-]+$/.test(database)) {
    throw new StoreError('invalid', 'the address of the database is not like mysql://user:password@host:3306/database');
  }
  return {
    host: parsed.hostname,
    port: parsed.port === '' ? 3306 : Number(parsed.port),
    database,
    user: decodeURIComponent(parsed.username),
    password: decodeURIComponent(parsed.password),
  };
}

/** @throws StoreError `unavailable`: it cannot be reached or used, and the message says why; `invalid` */
export async function openMysqlStore(options: MysqlStoreOptions): Promise<Store> {
  if (options.tls !== undefined && isIP(options.host) !== 0) {
    // `mysql2` would compare the certificate with `localhost`.
    throw new StoreError(
      'invalid',
      `the database's host ${options.host} is an address: with TLS name it as its certificate does`,
    );
  }
  const store = new MysqlStore(options);
  try {
    await store.check();
    return store;
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
}

class MysqlStore implements Store {
  readonly dialect = 'mysql';
  readonly #where: string;
  readonly #database: string;
  readonly #writers: MysqlPool;
  readonly #readers: MysqlPool;

  constructor(options: MysqlStoreOptions) {
    this.#where = `mysql://${options.host}:${options.port}/${options.database}`;
    this.#database = options.database;
    const common = { server: options, sessionTimeoutMs: options.sessionTimeoutMs ?? sessionTimeoutMs };
    this.#writers = new MysqlPool({
      ...common,
      connectionsMax: options.transactionConnectionsMax ?? transactionConnectionsMax,
    });
    this.#readers = new MysqlPool({ ...common, connectionsMax: options.readConnectionsMax ?? readConnectionsMax });
  }

  check(): Promise<void> {
    return this.#reading((connection) => checkMysql(connection, this.#where, this.#database));
  }

  async query(sql: string, parameters: readonly SqlValue[] = []): Promise<Row[]> {
    const text = formatStatement(sql, parameters);
    return this.#reading((connection) => connection.query(text, statementMs), sql);
  }

  async queryAll(queries: readonly Query[]): Promise<Row[][]> {
    const texts = queries.map(({ sql, parameters = [] }) => formatStatement(sql, parameters));
    const sql = queries.map((query) => query.sql).join('; ');
    return texts.length === 0 ? [] : this.#reading((connection) => connection.queryAll(texts, statementMs), sql);
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    for (;;) {
      const taken = await this.#take(this.#writers);
      const { connection } = taken;
      const tx = new MysqlTransaction(connection, this.#where);
      let result: T;
      try {
        result = await work(tx);
        await tx.end();
      } catch (error) {
        await tx.close();
        // It was idle and closed already: nothing happened, and the work is done on another one.
        const isAnotherNeeded = !tx.hasBegun && tx.hasFailed && connection.wasClosed && !taken.isFresh;
        await this.#rollBack(connection, tx);
        if (isAnotherNeeded) continue;
        if (error instanceof Rollback && !tx.hasFailed) return (error satisfies Rollback<T>).result;
        throw error;
      }
      if (tx.hasBegun) await this.#commit(connection);
      this.#writers.giveBack(connection);
      return result;
    }
  }

  async endHolder(sql: string, parameters: readonly SqlValue[] = []): Promise<boolean> {
    const text = formatStatement(sql, parameters);
    return this.#reading(async (connection) => {
      // Of the next statement only: it sees the id that the holder itself has written and not committed.
      await connection.run('SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED', statementMs);
      const [row] = await connection.query(text, statementMs);
      const [id] = Object.values(row ?? {});
      if (typeof id !== 'number' || id <= 0 || id === connection.id) return false;
      const [known] = await connection.query(
        `SELECT id FROM information_schema.processlist WHERE id = ${id}`,
        statementMs,
      );
      if (known === undefined) return false;
      await connection.run(`KILL ${id}`, statementMs);
      return true;
    }, sql);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#writers[Symbol.asyncDispose](), this.#readers[Symbol.asyncDispose]()]);
  }

  async #commit(connection: MysqlConnection): Promise<void> {
    try {
      await connection.run('COMMIT', statementMs);
    } catch (error) {
      this.#writers.drop(connection);
      throw asCommitError(error, this.#where);
    }
  }

  async #rollBack(connection: MysqlConnection, tx: MysqlTransaction): Promise<void> {
    try {
      if (tx.hasBegun) await connection.run('ROLLBACK', connectMs);
    } catch {
      // The server rolls back what a dropped connection had open.
      this.#writers.drop(connection);
      return;
    }
    if (tx.hasFailed) this.#writers.drop(connection);
    else this.#writers.giveBack(connection);
  }

  /** As with a transaction: a read on a connection that was closed meanwhile is repeated on another one. */
  async #reading<T>(work: (connection: MysqlConnection) => Promise<T>, sql?: string): Promise<T> {
    for (;;) {
      const { connection, isFresh } = await this.#take(this.#readers);
      try {
        const result = await work(connection);
        this.#readers.giveBack(connection);
        return result;
      } catch (error) {
        const { wasClosed } = connection;
        this.#readers.drop(connection);
        if (isFresh || !wasClosed) throw asStoreError(error, this.#where, sql);
      }
    }
  }

  async #take(pool: MysqlPool): Promise<Taken> {
    try {
      return await pool.take();
    } catch (error) {
      throw asStoreError(error, this.#where);
    }
  }
}
