/**
 * One connection to MySQL or MariaDB: how it is opened, what its session is set to, and its statements,
 * each with a deadline. After any failure of a statement the connection is to be dropped.
 */
import { createConnection } from 'mysql2';
import type { Connection, ConnectionOptions, FieldPacket, ResultSetHeader } from 'mysql2';
import { connectMs, lockWaitSeconds, tableLockWaitSeconds } from './limits.ts';
import { readRows } from './mysql-row.ts';
import type { Row } from './store.ts';
import { expectMark, markOf, readMarkSql, type StoreMark } from './store-mark.ts';

export interface MysqlServer {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: string;
  /** PEM. Without it the connection is open text. The server's certificate must name `host`, which is no IP address. */
  readonly tls?:
    | {
        readonly authority: string | Buffer;
        readonly certificate?: string | Buffer | undefined;
        readonly key?: string | Buffer | undefined;
      }
    | undefined;
  /** What each new connection must find in the database. Absent: nothing is asked. */
  readonly mark?: StoreMark | undefined;
}

export interface Changed {
  readonly matchedRows: number;
  readonly warnings: number;
}

export class MysqlConnection {
  readonly #connection: Connection;
  #broken: Error | undefined;
  #wasLate = false;

  /** Opens a connection and sets its session up; errors are those of `mysql2`. */
  static async open(server: MysqlServer, sessionTimeoutMs: number): Promise<MysqlConnection> {
    const connection = new MysqlConnection(createConnection(optionsOf(server)));
    try {
      await connection.#connected();
      const isolationSql = 'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED';
      await connection.runAll([isolationSql, charactersSql, sessionSql(sessionTimeoutMs)], connectMs);
      if (server.mark !== undefined) await connection.#expectMark(server, server.mark);
      return connection;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  private constructor(connection: Connection) {
    this.#connection = connection;
    // Of a connection that nobody uses at the moment: noticed by whoever takes it next.
    connection.on('error', (error) => (this.#broken ??= error));
    connection.on('end', () => (this.#broken ??= new Error('the server closed the connection')));
  }

  /** The server's id of it. */
  get id(): number {
    return this.#connection.threadId ?? 0;
  }

  get isBroken(): boolean {
    return this.#broken !== undefined;
  }

  /** Closed by the server or on the way, rather than given up here because an answer was late. */
  get wasClosed(): boolean {
    return this.isBroken && !this.#wasLate;
  }

  async run(sql: string, withinMs: number): Promise<Changed> {
    const [result] = await this.#send(sql, withinMs);
    return changedOf(result as ResultSetHeader);
  }

  /** Statements without rows in one round trip, each after the one before; the first that fails is the last that runs. */
  async runAll(statements: readonly string[], withinMs: number): Promise<Changed[]> {
    const [results] = await this.#send(statements.join(';'), withinMs);
    // Of one statement it is no list.
    return (Array.isArray(results) ? (results as ResultSetHeader[]) : [results as ResultSetHeader]).map(changedOf);
  }

  async query(sql: string, withinMs: number): Promise<Row[]> {
    const [rows, fields] = await this.#send(sql, withinMs);
    return Array.isArray(rows) ? readRows(rows as unknown[][], fields) : [];
  }

  /** Statements in one round trip, each after the one before; no rows of one that does not read. */
  async queryAll(statements: readonly string[], withinMs: number): Promise<Row[][]> {
    const [first] = statements;
    if (statements.length === 1 && first !== undefined) return [await this.query(first, withinMs)];
    const [results, fields] = await this.#send(statements.join(';'), withinMs);
    // Of several statements both are lists, an entry for each.
    const fieldsOf = fields as unknown as readonly (readonly FieldPacket[])[];
    return (results as (unknown[][] | ResultSetHeader)[]).map((rows, index) =>
      Array.isArray(rows) ? readRows(rows, fieldsOf[index] ?? []) : [],
    );
  }

  /** The server rolls back what was open. */
  destroy(): void {
    this.#broken ??= new Error('the connection was dropped');
    this.#connection.destroy();
  }

  /** Before anything else: behind the same address there may be another database by now, or an old copy of it. */
  async #expectMark({ host, port, database }: MysqlServer, mark: StoreMark): Promise<void> {
    const found = await this.query(readMarkSql, connectMs).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ER_NO_SUCH_TABLE') return [];
      throw error;
    });
    expectMark(markOf(found), mark, `mysql://${host}:${port}/${database}`);
  }

  #connected(): Promise<void> {
    return this.#within(connectMs, (resolve, reject) => {
      this.#connection.connect((error) => (error ? reject(error) : resolve()));
    });
  }

  #send(sql: string, withinMs: number): Promise<[unknown, readonly FieldPacket[]]> {
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    return this.#within(withinMs, (resolve, reject) => {
      this.#connection.query({ sql, rowsAsArray: true }, (error, result, fields) =>
        error ? reject(error) : resolve([result, fields]),
      );
    });
  }

  /** `mysql2` answers nothing when its socket is destroyed, so every wait has a clock and an end of its own. */
  async #within<T>(
    ms: number,
    start: (resolve: (value: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = setTimeout(() => {
      this.#wasLate = true;
      reject(new Error(`no answer within ${ms} ms`));
      this.destroy();
    }, ms);
    const onEnd = (): void => reject(new Error('the connection was lost'));
    this.#connection.once('end', onEnd);
    try {
      start(resolve, reject);
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#connection.off('end', onEnd);
    }
  }
}

function changedOf({ affectedRows, warningStatus }: ResultSetHeader): Changed {
  return { matchedRows: affectedRows, warnings: warningStatus };
}

function optionsOf(server: MysqlServer): ConnectionOptions {
  return {
    host: server.host,
    port: server.port,
    database: server.database,
    user: server.user,
    password: server.password,
    ...(server.tls && { ssl: sslOf(server.tls) }),
    connectTimeout: connectMs,
    enableKeepAlive: true,
    keepAliveInitialDelay: 1_000,
    // Statements are strings of bytes (mysql-statement.ts); what they are to the server, the session says.
    charset: 'binary',
    // `affectedRows` counts rows that matched, also those that had the values already.
    // With SESSION_TRACK `mysql2` would take the session's character set for the encoding of what it sends.
    flags: ['FOUND_ROWS', '-LOCAL_FILES', '-SESSION_TRACK'],
    // For `runAll`. Values are in their statements already, as literals that none of them can leave (mysql-statement.ts).
    multipleStatements: true,
    queryFormat: (sql) => sql,
    // Integers beyond 2^53 - 1, and decimals, as text: see mysql-row.ts.
    supportBigNumbers: true,
    bigNumberStrings: false,
    dateStrings: true,
    jsonStrings: true,
  };
}

function sslOf(tls: NonNullable<MysqlServer['tls']>): NonNullable<ConnectionOptions['ssl']> {
  return {
    ca: String(tls.authority),
    ...(tls.certificate && { cert: String(tls.certificate) }),
    ...(tls.key && { key: String(tls.key) }),
    minVersion: 'TLSv1.2',
    rejectUnauthorized: true,
    verifyIdentity: true,
  };
}

/** Answers are UTF-8, and comparisons are byte by byte everywhere, also of literals. */
const charactersSql = `SET SESSION
    character_set_client = latin1,
    character_set_results = utf8mb4,
    collation_connection = utf8mb4_bin`;

/**
 * A client that stands still in the middle of a transaction loses its session, and with it its
 * locks, after `sessionTimeoutMs`; by default that takes 8 h. Strict, so that nothing is cut to fit.
 */
function sessionSql(sessionTimeoutMs: number): string {
  const seconds = Math.ceil(sessionTimeoutMs / 1_000);
  return `SET SESSION
    sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
    wait_timeout = ${seconds},
    net_read_timeout = ${seconds},
    net_write_timeout = ${seconds},
    innodb_lock_wait_timeout = ${lockWaitSeconds},
    lock_wait_timeout = ${tableLockWaitSeconds},
    max_error_count = 65535,
    autocommit = 1`;
}
