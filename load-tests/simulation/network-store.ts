/**
 * The store as a process reaches it over the simulated network: the embedded driver does the work on the other side,
 * behind sessions as a MySQL server has them.
 *
 * A transaction is a session that lives on the server: statements that are issued without waiting in between travel
 * together, and between two round trips anything may happen to either side. A session whose client is gone, or says
 * nothing for too long, is rolled back. Transactions take turns, as in the embedded driver; who waits too long for
 * its turn is refused, as by MySQL's row locks.
 */
import {
  Rollback,
  StoreError,
  type Query,
  type Row,
  type SqlValue,
  type Store,
  type Transaction,
} from '@chappe/store/store';
import { lockWaitSeconds, sessionTimeoutMs, statementMs } from '@chappe/store/limits';
import { Unanswered, type Network } from './network.ts';
import type { Life } from './virtual-time.ts';

/** Until a server sees that the process at the other end of a connection is gone. */
const closedMs = 2;

/** What a transaction did that has been committed. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly SqlValue[];
  /** Of an insert: the table, and the rows in its columns' order. */
  readonly table?: string;
  readonly rows?: readonly (readonly SqlValue[])[];
  /** Rows that it matched, where it said so. */
  readonly matched?: number;
}

/** Told of every commit, in order: what a checker may know of the store without asking the product. */
export type OnCommit = (client: Life, statements: readonly Statement[]) => void;

export class StoreServer {
  readonly life: Life;
  readonly store: Store;
  readonly #onCommit: OnCommit;
  readonly #sessions = new Map<number, Session>();
  readonly #waiting: (() => void)[] = [];
  #isBusy = false;
  #lastNo = 0;

  constructor(life: Life, store: Store, onCommit: OnCommit) {
    this.life = life;
    this.store = store;
    this.#onCommit = onCommit;
  }

  nextNo(): number {
    this.#lastNo += 1;
    return this.#lastNo;
  }

  /** Runs what came in one packet; the first one begins the transaction. */
  async run(no: number, client: Life, actions: readonly Action[], isFirst: boolean): Promise<unknown[]> {
    if (isFirst) await this.#begin(no, client);
    const session = this.#sessions.get(no);
    if (session === undefined) throw new StoreError('unavailable', 'the session was ended');
    session.touch();
    const results: unknown[] = [];
    for (const action of actions) {
      try {
        results.push({ value: await session.act(action) });
      } catch (error) {
        results.push({ error });
      }
    }
    return results;
  }

  async commit(no: number, client: Life): Promise<void> {
    const session = this.#sessions.get(no);
    if (session === undefined) throw new StoreError('unavailable', 'the session was ended');
    await session.end('commit');
    this.#onCommit(client, session.statements);
  }

  /** Rolled back, if it is still there. */
  async drop(no: number): Promise<boolean> {
    const session = this.#sessions.get(no);
    await session?.end('rollback');
    return session !== undefined;
  }

  async dropAll(client: Life): Promise<void> {
    for (const session of this.#sessions.values()) if (session.client === client) await session.end('rollback');
  }

  /** As MySQL's KILL: the open transaction sees what it has written itself, and only it holds rows. */
  async endHolder(sql: string, parameters: readonly SqlValue[]): Promise<boolean> {
    for (const session of this.#sessions.values()) {
      const [row] = await session.query(sql, parameters);
      const holder = Number(Object.values(row ?? {})[0] ?? 0);
      if (holder === session.no) return this.drop(holder);
    }
    return false;
  }

  async #begin(no: number, client: Life): Promise<void> {
    await this.#takeTurn();
    if (client.state === 'ended') {
      this.#endTurn();
      throw new StoreError('unavailable', 'the client is gone');
    }
    const session = new Session(no, client, this.store, () => {
      this.#sessions.delete(no);
      this.#endTurn();
    });
    this.#sessions.set(no, session);
    await session.begun;
  }

  async #takeTurn(): Promise<void> {
    if (!this.#isBusy) {
      this.#isBusy = true;
      return;
    }
    const turn = Promise.withResolvers<void>();
    const mine = (): void => turn.resolve();
    this.#waiting.push(mine);
    const timer = setTimeout(() => {
      const place = this.#waiting.indexOf(mine);
      if (place < 0) return;
      this.#waiting.splice(place, 1);
      turn.reject(new StoreError('refused', `another transaction has held the rows for ${lockWaitSeconds} s`));
    }, lockWaitSeconds * 1000);
    try {
      await turn.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #endTurn(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#isBusy = false;
    else next();
  }
}

type Action = (tx: Transaction) => Promise<{ readonly value: unknown; readonly statement?: Statement }>;

/** One open transaction on the server. */
class Session {
  readonly no: number;
  readonly client: Life;
  readonly statements: Statement[] = [];
  readonly begun: Promise<void>;
  readonly #ended: Promise<unknown>;
  readonly #end = Promise.withResolvers<'commit' | 'rollback'>();
  #tx: Transaction | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(no: number, client: Life, store: Store, onEnd: () => void) {
    this.no = no;
    this.client = client;
    const begun = Promise.withResolvers<void>();
    this.begun = begun.promise;
    this.#ended = store
      .transaction(async (tx) => {
        this.#tx = tx;
        begun.resolve();
        if ((await this.#end.promise) === 'rollback') throw new Rollback(undefined);
      })
      .finally(() => {
        clearTimeout(this.#timer);
        onEnd();
      });
    this.#ended.catch((error: unknown) => begun.reject(error));
    this.touch();
  }

  /** It is heard of. */
  touch(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end.resolve('rollback'), sessionTimeoutMs);
  }

  async act(action: Action): Promise<unknown> {
    if (this.#tx === undefined) throw new Error('a session was used before it began');
    const { value, statement } = await action(this.#tx);
    if (statement !== undefined) this.statements.push(statement);
    return value;
  }

  async query(sql: string, parameters: readonly SqlValue[]): Promise<Row[]> {
    return this.#tx === undefined ? [] : this.#tx.query(sql, parameters);
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    this.#end.resolve(how);
    await this.#ended;
  }
}

interface Waiting {
  readonly action: Action;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export function networkStore(network: Network, server: StoreServer, client: Life): Store {
  const ask = async <T>(name: string, kind: 'unavailable' | 'unknown', work: () => Promise<T>): Promise<T> => {
    try {
      return await network.call(client, server.life, { name, timeoutMs: statementMs }, work);
    } catch (error) {
      if (error instanceof Unanswered) throw new StoreError(kind, error.message);
      throw error;
    }
  };
  const drop = (no: number): void => {
    ask('rollback', 'unavailable', () => server.drop(no)).catch(() => undefined);
  };
  // The server sees the connections of a process that has ended close.
  client.onEnd(() => network.time.after(closedMs, server.life, () => void server.dropAll(client)));
  return {
    dialect: 'sqlite',
    query: (sql, parameters) => ask('query', 'unavailable', () => server.store.query(sql, parameters)),
    queryAll: (queries) => ask('query', 'unavailable', () => server.store.queryAll(queries)),
    endHolder: (sql, parameters = []) => ask('kill', 'unavailable', () => server.endHolder(sql, parameters)),
    transaction: async <T>(work: (tx: Transaction) => Promise<T>): Promise<T> => {
      const no = server.nextNo();
      const packets = new Packets((actions, isFirst) =>
        ask('statements', 'unavailable', () => server.run(no, client, actions, isFirst)),
      );
      let result: T;
      try {
        result = await work(transactionOf(no, packets));
        if (packets.failure !== undefined) throw packets.failure;
      } catch (error) {
        drop(no);
        if (error instanceof Rollback) return (error satisfies Rollback<T>).result;
        throw error;
      }
      try {
        if (!packets.isEmpty) await ask('commit', 'unknown', () => server.commit(no, client));
      } catch (error) {
        drop(no);
        throw error;
      }
      return result;
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Gathers what is issued without waiting in between. */
class Packets {
  readonly #send: (actions: readonly Action[], isFirst: boolean) => Promise<unknown[]>;
  #waiting: Waiting[] = [];
  #last: Promise<void> = Promise.resolve();
  isEmpty = true;
  failure: Error | undefined;

  constructor(send: (actions: readonly Action[], isFirst: boolean) => Promise<unknown[]>) {
    this.#send = send;
  }

  add<T>(action: Action): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#waiting.push({ action, resolve: resolve as (value: unknown) => void, reject });
    if (this.#waiting.length === 1) this.#last = this.#last.then(() => this.#flush());
    return promise;
  }

  async #flush(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    const isFirst = this.isEmpty;
    this.isEmpty = false;
    try {
      const results = await this.#send(
        waiting.map(({ action }) => action),
        isFirst,
      );
      for (const [index, { resolve, reject }] of waiting.entries()) {
        const result = results[index] as { readonly value?: unknown; readonly error?: unknown };
        if (result.error === undefined) resolve(result.value);
        else reject(this.#failed(result.error));
      }
    } catch (error) {
      for (const { reject } of waiting) reject(this.#failed(error));
    }
  }

  #failed(error: unknown): unknown {
    if (error instanceof Error) this.failure ??= error;
    return error;
  }
}

function transactionOf(no: number, packets: Packets): Transaction {
  return {
    connectionId: no,
    run: (sql, parameters = []) =>
      packets.add<number>(async (tx) => noted(sql, parameters, await tx.run(sql, parameters))),
    runMany: (sql, lists) =>
      packets.add<void>(async (tx) => ({
        value: await tx.runMany(sql, lists),
        ...(lists.length === 0 ? {} : { statement: { sql, parameters: [], rows: lists } }),
      })),
    query: (sql, parameters) => packets.add<Row[]>(async (tx) => ({ value: await tx.query(sql, parameters) })),
    queryAll: (queries: readonly Query[]) =>
      packets.add<Row[][]>(async (tx) => ({ value: await tx.queryAll(queries) })),
    queryForUpdate: (sql, parameters) =>
      packets.add<Row[]>(async (tx) => ({ value: await tx.queryForUpdate(sql, parameters) })),
    insert: (table, rows, onConflict) =>
      packets.add<number>(async (tx) => ({
        value: await tx.insert(table, rows, onConflict),
        ...(rows.length === 0
          ? {}
          : { statement: { sql: `INSERT INTO ${table.name}`, parameters: [], table: table.name, rows } }),
      })),
  };
}

function noted(sql: string, parameters: readonly SqlValue[], matched: number): { value: number; statement: Statement } {
  return { value: matched, statement: { sql, parameters, matched } };
}
