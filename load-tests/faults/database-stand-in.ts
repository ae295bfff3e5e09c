/**
 * What a managed database does by itself (RDS with a standby in another zone), done here by the run: when the primary has
 * accepted no connection for a while, its replica is promoted and the database's address leads to it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { accepts } from '../stack/process-record.ts';

export interface StandInOptions {
  /** Of the present primary. */
  readonly address: () => Promise<{ readonly host: string; readonly port: number }>;
  /** Makes the replica the primary, where clients find it. */
  readonly promote: () => Promise<void>;
}

const lookMs = 500;
/** A restart of the server is no loss; RDS takes a minute or two in all. */
const goneAfterMs = 4_000;

export class DatabaseStandIn implements AsyncDisposable {
  readonly #options: StandInOptions;
  readonly #ending = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #promotedAt: number | undefined;

  constructor(options: StandInOptions) {
    this.#options = options;
  }

  /** When it did so last, by the clock of `performance`. */
  get promotedAt(): number | undefined {
    return this.#promotedAt;
  }

  start(): void {
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ending;
    let seenAt = performance.now();
    while (!signal.aborted) {
      const { host, port } = await this.#options.address();
      if (await accepts(port, host)) seenAt = performance.now();
      if (performance.now() - seenAt >= goneAfterMs) {
        await this.#options.promote();
        this.#promotedAt = seenAt = performance.now();
      }
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#watching;
  }
}
