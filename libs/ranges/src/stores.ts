/**
 * The stores of ranges, by their ids: opened when they are first used, opened anew when `stores/<id>` names another
 * address or incarnation, closed when nobody has used them for a while.
 *
 * What is known stays in use while coordination is away. A store that cannot be opened refuses what it is asked, and is
 * tried again by whoever asks again.
 */
import type { Coordination } from '@chappe/coordination/coordination';
import type { StoreMark } from '@chappe/store/store-mark';
import { StoreError, type Query, type Row, type SqlValue, type Store, type Transaction } from '@chappe/store/store';
import { setTimeout as sleep } from 'node:timers/promises';
import { rereadBackoffMaxMs, rereadBackoffMinMs, unusedStoreMs } from './limits.ts';
import { parseStore, storePrefix, type StoreInfo } from './store-info.ts';

/**
 * Opens the store at an address. With a mark every new connection is compared with it.
 *
 * @throws StoreError `unavailable`, `invalid`; the message says what to do and holds no login
 */
export type OpenStore = (place: Pick<StoreInfo, 'id' | 'address'>, mark?: StoreMark) => Promise<Store>;

export interface Stores {
  /** The same object whatever becomes of the store. Whoever uses it does not close it. */
  of(id: string): Store;
}

export interface StoreWatcher extends Stores, AsyncDisposable {}

/**
 * Resolves after the first attempt to read, also if that failed.
 *
 * @param prepare what is done with each store that was opened, before anybody uses it
 */
export async function watchStores(
  coordination: Coordination,
  open: OpenStore,
  prepare: (store: Store) => Promise<void>,
): Promise<StoreWatcher> {
  const openOne: OpenOne = async (info) => {
    const store = await open(info, info);
    try {
      await prepare(store);
      return store;
    } catch (error) {
      await store[Symbol.asyncDispose]();
      throw error;
    }
  };
  const watcher = new Watcher(coordination, openOne);
  await watcher.start();
  return watcher;
}

type OpenOne = (info: StoreInfo) => Promise<Store>;

class Watcher implements StoreWatcher {
  readonly #coordination: Coordination;
  readonly #open: OpenOne;
  readonly #stores = new Map<string, NamedStore>();
  readonly #ending = new AbortController();
  #known: ReadonlyMap<string, StoreInfo> = new Map();
  #watch: Disposable | undefined;
  #wake = Promise.withResolvers<void>();
  #loop: Promise<void> | undefined;

  constructor(coordination: Coordination, open: OpenOne) {
    this.#coordination = coordination;
    this.#open = open;
  }

  async start(): Promise<void> {
    this.#watch = this.#coordination.watch(storePrefix, () => this.#wake.resolve());
    const isRead = await this.#read();
    this.#loop = this.#run(isRead);
  }

  of(id: string): Store {
    const known = this.#stores.get(id);
    if (known !== undefined) return known;
    const store = new NamedStore(id, this.#known.get(id), this.#open);
    this.#stores.set(id, store);
    return store;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#wake.resolve();
    this.#watch?.[Symbol.dispose]();
    await this.#loop;
    await Promise.all([...this.#stores.values()].map((store) => store.end()));
  }

  async #run(wasRead: boolean): Promise<void> {
    const { signal } = this.#ending;
    let isRead = wasRead;
    let backoffMs = rereadBackoffMinMs;
    while (!signal.aborted) {
      if (isRead) backoffMs = rereadBackoffMinMs;
      await Promise.race([this.#wake.promise, sleep(isRead ? unusedStoreMs : backoffMs, undefined, { ref: false })]);
      if (signal.aborted) return;
      if (!isRead) backoffMs = Math.min(backoffMs * 2, rereadBackoffMaxMs);
      for (const store of this.#stores.values()) store.closeIfUnused();
      this.#wake = Promise.withResolvers<void>();
      isRead = await this.#read();
    }
  }

  /** Whether it is known what is there. */
  async #read(): Promise<boolean> {
    try {
      const { entries } = await this.#coordination.list(storePrefix);
      this.#known = new Map(entries.map(({ value }) => parseStore(value)).map((info) => [info.id, info]));
      for (const [id, store] of this.#stores) store.isNow(this.#known.get(id));
      return true;
    } catch {
      return false;
    }
  }
}

/** One of them: whatever it is asked goes to the database that it is now. */
class NamedStore implements Store {
  readonly #id: string;
  readonly #open: OpenOne;
  #info: StoreInfo | undefined;
  #opened: Promise<Store> | undefined;
  #closing: Promise<unknown> = Promise.resolve();
  #usedAtMs = performance.now();
  #hasEnded = false;

  constructor(id: string, info: StoreInfo | undefined, open: OpenOne) {
    this.#id = id;
    this.#info = info;
    this.#open = open;
  }

  get dialect(): Store['dialect'] {
    return this.#info?.address.startsWith('sqlite:') === true ? 'sqlite' : 'mysql';
  }

  async query(sql: string, parameters?: readonly SqlValue[]): Promise<Row[]> {
    return (await this.#now()).query(sql, parameters);
  }

  async queryAll(queries: readonly Query[]): Promise<Row[][]> {
    return (await this.#now()).queryAll(queries);
  }

  async transaction<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    return (await this.#now()).transaction(work);
  }

  async endHolder(sql: string, parameters?: readonly SqlValue[]): Promise<boolean> {
    return (await this.#now()).endHolder(sql, parameters);
  }

  /** What is under way ends where it began; what comes from here on goes to the new place. */
  isNow(info: StoreInfo | undefined): void {
    const before = this.#info;
    this.#info = info;
    const isSame = before?.address === info?.address && before?.incarnation === info?.incarnation;
    if (!isSame || before?.identity !== info?.identity) this.#close();
  }

  closeIfUnused(): void {
    if (performance.now() - this.#usedAtMs > unusedStoreMs) this.#close();
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    this.#close();
    await this.#closing;
  }

  /** Its users never close it. */
  async [Symbol.asyncDispose](): Promise<void> {}

  #now(): Promise<Store> {
    this.#usedAtMs = performance.now();
    if (this.#opened !== undefined) return this.#opened;
    const opening = this.#openNow(this.#info);
    this.#opened = opening;
    // Whoever asks again tries again.
    opening.catch(() => {
      if (this.#opened === opening) this.#opened = undefined;
    });
    return opening;
  }

  async #openNow(info: StoreInfo | undefined): Promise<Store> {
    if (this.#hasEnded) throw new StoreError('unavailable', `the store ${this.#id} is closed`);
    if (info === undefined)
      throw new StoreError('unavailable', `the store ${this.#id} is not known: \`chappe stores\` lists those that are`);
    return this.#open(info);
  }

  #close(): void {
    const opened = this.#opened;
    this.#opened = undefined;
    if (opened === undefined) return;
    const closed = opened.then((store) => store[Symbol.asyncDispose]()).catch(() => undefined);
    this.#closing = Promise.all([this.#closing, closed]);
  }
}
