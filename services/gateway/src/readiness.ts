/**
 * Whether the gateway can do its work: looked at every two seconds, and told to the health service.
 * A part that is away makes it not ready; it goes on answering what it can.
 */
import type { PriceBookWatcher } from '@chappe/rating/price-book-watcher';
import type { Log } from '@chappe/log/log';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import type { Channel } from '@chappe/rpc/client';
import type { Store } from '@chappe/store/store';
import { probeDeadlineMs, probeEveryMs } from './limits.ts';
import { announceLeftovers, type AnnouncerDependencies } from './number-announcer.ts';

export interface ReadinessDependencies extends AnnouncerDependencies {
  readonly cryptoChannel: Channel;
  readonly table: TableWatcher;
  readonly appender: CommandAppender;
  readonly log: Log;
  readonly store: Store;
  readonly prices: PriceBookWatcher;
  /** Why events do not come in; undefined while they do. */
  readonly eventProblem: () => string | undefined;
  readonly onChange: (isReady: boolean) => void;
}

export class Readiness implements AsyncDisposable {
  readonly #dependencies: ReadinessDependencies;
  readonly #ending = new AbortController();
  readonly #loop: Promise<void>;
  #problems: Readonly<Record<string, string>> = { gateway: 'starting' };

  constructor(dependencies: ReadinessDependencies) {
    this.#dependencies = dependencies;
    this.#loop = this.#run();
  }

  /** Why it is not ready, by part; empty: ready. */
  problems(): Readonly<Record<string, string>> {
    return this.#problems;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      const found = await this.#look();
      const wasReady = Object.keys(this.#problems).length === 0;
      const isReady = Object.keys(found).length === 0;
      this.#problems = found;
      if (wasReady !== isReady) this.#dependencies.onChange(isReady);
      // The first time it is awaited by everybody: quick looks until it stands.
      await until(isReady ? probeEveryMs : probeEveryMs / 20, signal);
    }
  }

  async #look(): Promise<Record<string, string>> {
    const { cryptoChannel, table, store, prices, eventProblem } = this.#dependencies;
    const checks: Record<string, () => Promise<string | undefined>> = {
      routing: async () => (table.current() === undefined ? 'the routing table is not known' : undefined),
      crypto: () => failure(() => cryptoChannel.waitForReady(probeDeadlineMs)),
      store: () => failure(() => store.query('SELECT 1')),
      log: () => failure(() => this.#lookAtLog()),
      prices: () => failure(async () => prices.books()),
      events: async () => eventProblem(),
      numbers: () => this.#leftovers(),
    };
    const found = await Promise.all(
      Object.entries(checks).map(async ([part, check]) => [part, await check()] as const),
    );
    return Object.fromEntries(found.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
  }

  async #lookAtLog(): Promise<void> {
    const { table, log } = this.#dependencies;
    const topic = table.current()?.ranges.find(({ state }) => state === 'active')?.topic;
    if (topic !== undefined) await log.end(topic);
  }

  async #leftovers(): Promise<string | undefined> {
    try {
      await announceLeftovers(this.#dependencies);
    } catch {
      // The store or crypto is away: their own checks say so.
    }
    return undefined;
  }
}

async function failure(check: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : 'unknown';
  }
}

function until(waitMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, waitMs);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
