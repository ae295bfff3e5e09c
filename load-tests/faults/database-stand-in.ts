/**
 * What a managed database does by itself (RDS with a standby in another zone), done here by the run, which sees both servers.
 * When the primary has accepted no connection for a while, its replica is promoted and the database's address leads to it.
 * When it is the replica, the primary waits for it no longer. Never both: one of the two goes on.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { accepts } from '../stack/process-record.ts';

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface StandInOptions {
  /** At present. */
  readonly addresses: () => Promise<{ readonly primary: ServerAddress; readonly replica: ServerAddress }>;
  /** Makes the replica the primary, where clients find it. */
  readonly promote: () => Promise<void>;
  /** Lets the primary commit without a replica. */
  readonly leaveAlone: () => Promise<void>;
}

const lookMs = 500;
/** A restart of a server is no loss; RDS takes a minute or two in all. */
const goneAfterMs = 4_000;

export class DatabaseStandIn implements AsyncDisposable {
  readonly #options: StandInOptions;
  readonly #ending = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  #actedAt: number | undefined;

  constructor(options: StandInOptions) {
    this.#options = options;
  }

  /** When it did one or the other last, by the clock of `performance`. */
  get actedAt(): number | undefined {
    return this.#actedAt;
  }

  start(): void {
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    const { addresses, promote, leaveAlone } = this.#options;
    const { signal } = this.#ending;
    const seenAt = { primary: performance.now(), replica: performance.now() };
    let isAlone = false;
    while (!signal.aborted) {
      const { primary, replica } = await addresses();
      const [isPrimaryThere, isReplicaThere] = await Promise.all(
        [primary, replica].map(({ host, port }) => accepts(port, host)),
      );
      const nowMs = performance.now();
      if (isPrimaryThere === true) seenAt.primary = nowMs;
      if (isReplicaThere === true) [seenAt.replica, isAlone] = [nowMs, false];
      if (isReplicaThere === true && nowMs - seenAt.primary >= goneAfterMs) {
        await promote();
        // What was the primary is not there, and its successor waits for nobody.
        [seenAt.primary, seenAt.replica, isAlone] = [performance.now(), seenAt.primary, true];
        this.#actedAt = performance.now();
      } else if (isPrimaryThere === true && !isAlone && nowMs - seenAt.replica >= goneAfterMs) {
        await leaveAlone();
        isAlone = true;
        this.#actedAt = performance.now();
      }
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#watching;
  }
}
