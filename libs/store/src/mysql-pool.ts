/**
 * Connections of one process, at most so many; who comes when all are taken waits, for a limited time.
 *
 * The server closes what is idle for the session time-out. The pool drops connections that have been
 * idle for half of it, so that it seldom hands out one that is about to be closed.
 */
import { connectionWaitMs, waitingTransactionsMax } from './limits.ts';
import type { MysqlServer } from './mysql-connection.ts';
import { MysqlConnection } from './mysql-connection.ts';
import { StoreError } from './store.ts';

export interface MysqlPoolOptions {
  readonly server: MysqlServer;
  readonly sessionTimeoutMs: number;
  readonly connectionsMax: number;
}

interface Idle {
  readonly connection: MysqlConnection;
  readonly sinceMs: number;
}

interface Waiting {
  readonly resolve: (connection: MysqlConnection | undefined) => void;
  readonly reject: (error: Error) => void;
}

export interface Taken {
  readonly connection: MysqlConnection;
  /** Opened just now; any other may have been closed by the server meanwhile. */
  readonly isFresh: boolean;
}

export class MysqlPool implements AsyncDisposable {
  readonly #options: MysqlPoolOptions;
  readonly #idle: Idle[] = [];
  readonly #waiting = new Set<Waiting>();
  readonly #emptied = Promise.withResolvers<void>();
  #taken = 0;
  #closed = false;

  constructor(options: MysqlPoolOptions) {
    this.#options = options;
  }

  /** @throws StoreError `refused`, `unavailable`; errors of `mysql2` */
  async take(): Promise<Taken> {
    let given: MysqlConnection | undefined;
    if (this.#closed) throw closedError();
    if (this.#taken < this.#options.connectionsMax) this.#taken += 1;
    else given = await this.#wait();
    const idle = given ?? this.#youngestIdle();
    if (idle !== undefined) return { connection: idle, isFresh: false };
    try {
      const { server, sessionTimeoutMs } = this.#options;
      return { connection: await MysqlConnection.open(server, sessionTimeoutMs), isFresh: true };
    } catch (error) {
      this.#pass(undefined);
      throw error;
    }
  }

  giveBack(connection: MysqlConnection): void {
    this.#pass(connection.isBroken ? undefined : connection);
  }

  drop(connection: MysqlConnection): void {
    connection.destroy();
    this.#pass(undefined);
  }

  /** Resolves when all that were taken are back. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      for (const { reject } of this.#waiting) reject(closedError());
      this.#waiting.clear();
      for (const { connection } of this.#idle.splice(0)) connection.destroy();
      if (this.#taken === 0) this.#emptied.resolve();
    }
    await this.#emptied.promise;
  }

  /** The place, with or without a connection, goes to who waits longest. */
  #pass(connection: MysqlConnection | undefined): void {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      waiting.resolve(connection);
      return;
    }
    this.#taken -= 1;
    if (this.#closed) {
      connection?.destroy();
      if (this.#taken === 0) this.#emptied.resolve();
    } else if (connection !== undefined) {
      this.#idle.push({ connection, sinceMs: performance.now() });
    }
  }

  #youngestIdle(): MysqlConnection | undefined {
    for (;;) {
      const idle = this.#idle.pop();
      if (idle === undefined) return undefined;
      const isYoung = performance.now() - idle.sinceMs < this.#options.sessionTimeoutMs / 2;
      if (isYoung && !idle.connection.isBroken) return idle.connection;
      idle.connection.destroy();
    }
  }

  async #wait(): Promise<MysqlConnection | undefined> {
    if (this.#waiting.size >= waitingTransactionsMax) {
      throw new StoreError('refused', `${waitingTransactionsMax} wait for a connection already: try again`);
    }
    const { promise, resolve, reject } = Promise.withResolvers<MysqlConnection | undefined>();
    const waiting = { resolve, reject };
    this.#waiting.add(waiting);
    const timer = setTimeout(() => {
      this.#waiting.delete(waiting);
      reject(
        new StoreError(
          'refused',
          `all ${this.#options.connectionsMax} connections were taken for ${connectionWaitMs} ms`,
        ),
      );
    }, connectionWaitMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }
}

function closedError(): StoreError {
  return new StoreError('unavailable', 'the store is closed');
}
