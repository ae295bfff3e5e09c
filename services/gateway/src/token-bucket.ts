/**
 * How many messages a business may hand over: a token bucket (RFC 2697's committed rate and
 * burst). Pure but for the map of buckets.
 */

export interface RateLimit {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

export class TokenBuckets {
  readonly #limit: RateLimit;
  readonly #bucketsMax: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: RateLimit, bucketsMax: number, now: () => number = () => performance.now()) {
    this.#limit = limit;
    this.#bucketsMax = bucketsMax;
    this.#now = now;
  }

  /** Takes `count` tokens. 0: taken; else how long to wait before it can succeed, in milliseconds. */
  take(business: string, count: number): number {
    const { perSecond, burst } = this.#limit;
    const nowMs = this.#now();
    const known = this.#buckets.get(business) ?? { tokens: burst, atMs: nowMs };
    const tokens = Math.min(burst, known.tokens + ((nowMs - known.atMs) / 1_000) * perSecond);
    // More than a whole burst at once waits for a full bucket and leaves it in debt.
    const wanted = Math.min(count, burst);
    if (tokens < wanted) return Math.ceil(((wanted - tokens) / perSecond) * 1_000);
    this.#buckets.delete(business);
    this.#buckets.set(business, { tokens: tokens - count, atMs: nowMs });
    if (this.#buckets.size > this.#bucketsMax) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return 0;
  }
}
