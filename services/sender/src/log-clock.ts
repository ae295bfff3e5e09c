/**
 * What a worker knows of the log's clock, which stamps the records, against its own.
 *
 * A stamp in the future means that the own clock is behind. A stamp in the past means nothing by itself:
 * it is also what a backlog has. But a reader that had to wait for a record was asking when it was
 * appended: then the log's clock is not further than the stamp and the time that has passed since the
 * question. By that a clock that is ahead is seen, and is not believed, until it is set anew.
 */

/** A read that took so long had to wait for an append: from a server, what is there comes within a few ms. */
const waitedMs = 250;

/** A clock that has gone so much against the monotonic one was set, or slept: what was seen before says nothing of it. */
const steppedMs = 1_000;

export class LogClock {
  readonly #now: () => number;
  readonly #monotonicMs: () => number;
  #aheadMs = 0;
  /** Of the own clock over the monotonic one, when that was seen. */
  #distanceMs = 0;

  /** @param now the own clock, in ms since 1970 */
  constructor(now: () => number, monotonicMs: () => number = () => performance.now()) {
    this.#now = now;
    this.#monotonicMs = monotonicMs;
  }

  /** Takes note of a read that was begun at a time of the monotonic clock and has ended now. */
  sawRecord(appendTimeMs: number, askedAtMs: number): void {
    const [nowMs, monotonicMs] = [this.#now(), this.#monotonicMs()];
    const tookMs = monotonicMs - askedAtMs;
    if (tookMs < waitedMs) return;
    this.#aheadMs = Math.max(0, nowMs - (appendTimeMs + tookMs));
    this.#distanceMs = nowMs - monotonicMs;
  }

  /** How far the own clock is ahead of the log's at least, in ms, as far as it is known; 0: it is not. */
  ownAheadMs(): number {
    const hasStepped = Math.abs(this.#now() - this.#monotonicMs() - this.#distanceMs) > steppedMs;
    return hasStepped ? 0 : this.#aheadMs;
  }

  /** The own clock, held back to what the log's can show: whole milliseconds, as everything that is stored has them. */
  nowMs(): number {
    return Math.floor(this.#now() - this.ownAheadMs());
  }
}
