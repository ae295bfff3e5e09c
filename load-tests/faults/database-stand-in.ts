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
  readonly #seenAt = { primary: performance.now(), replica: performance.now() };
  #isAlone = false;
  #actedAt: number | undefined;
  #problem: string | undefined;

  constructor(options: StandInOptions) {
    this.#options = options;
  }

  /** When it did one or the other last, by the clock of `performance`. */
  get actedAt(): number | undefined {
    return this.#actedAt;
  }

  /** Why it could not do what is due. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    this.#seenAt.primary = this.#seenAt.replica = performance.now();
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        await this.#look();
        this.#problem = undefined;
      } catch (error) {
        // Tried again at the next look.
        this.#problem = error instanceof Error ? error.message : 'unknown';
      }
      await pause(lookMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    const { addresses, promote, leaveAlone } = this.#options;
    const seenAt = this.#seenAt;
    const { primary, replica } = await addresses();
    const [isPrimaryThere, isReplicaThere] = await Promise.all([
      accepts(primary.port, primary.host),
      accepts(replica.port, replica.host),
    ]);
    const nowMs = performance.now();
    if (isPrimaryThere) seenAt.primary = nowMs;
    if (isReplicaThere) {
      seenAt.replica = nowMs;
      this.#isAlone = false;
    }
    if (isReplicaThere && nowMs - seenAt.primary >= goneAfterMs) {
      await promote();
      // What was the primary is the one that is not there, and its successor waits for nobody.
      [seenAt.primary, seenAt.replica] = [performance.now(), seenAt.primary];
    } else if (isPrimaryThere && !this.#isAlone && nowMs - seenAt.replica >= goneAfterMs) await leaveAlone();
    else return;
    this.#isAlone = true;
    this.#actedAt = performance.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#watching;
  }
}
