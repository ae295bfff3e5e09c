/**
 * What a worker knows of the log's clock, which stamps the records, against its own.
 *
 * A stamp in the future means that the own clock is behind. A stamp in the past means nothing by itself:
 * it is also what a backlog has. But a reader that had to wait for a record was asking when it was
 * appended: then the log's clock is not further than the stamp and the time that has passed since the
 * question. By that a clock that is ahead is seen, and is not believed.
 */

/** A read that took so long had to wait for an append: from a server, what is there comes within a few ms. */
const waitedMs = 250;

export class LogClock {
  readonly #now: () => number;
  readonly #monotonicMs: () => number;
  /** What the log's clock shows at most, as its distance from the monotonic clock. */
  #aheadOfMonotonicMs = Infinity;

  /** @param now the own clock, in ms since 1970 */
  constructor(now: () => number, monotonicMs: () => number = () => performance.now()) {
    this.#now = now;
    this.#monotonicMs = monotonicMs;
  }

  /** Takes note of a read that was begun at a time of the monotonic clock and has ended now. */
  sawRecord(appendTimeMs: number, askedAtMs: number): void {
    if (this.#monotonicMs() - askedAtMs >= waitedMs) this.#aheadOfMonotonicMs = appendTimeMs - askedAtMs;
  }

  /** How far the own clock is ahead of the log's, in ms, as far as it is known; 0: it is not. */
  ownAheadMs(): number {
    return Math.max(0, this.#now() - this.#latestMs());
  }

  /** The own clock, held back to what the log's can show: whole milliseconds, as everything that is stored has them. */
  nowMs(): number {
    return Math.floor(Math.min(this.#now(), this.#latestMs()));
  }

  #latestMs(): number {
    return this.#aheadOfMonotonicMs + this.#monotonicMs();
  }
}
