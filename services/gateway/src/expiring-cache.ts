/**
 * A bounded cache whose entries are looked up again after a while. Look-ups of one key at a time
 * are shared; a failed one is not kept. The oldest entry makes room.
 */

export interface ExpiringCacheOptions {
  readonly lifeMs: number;
  readonly entriesMax: number;
  /** A monotonic clock. */
  readonly now?: () => number;
}

interface Entry<V> {
  readonly value: Promise<V>;
  readonly loadedAtMs: number;
}

export class ExpiringCache<V> {
  readonly #lifeMs: number;
  readonly #entriesMax: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry<V>>();

  constructor(options: ExpiringCacheOptions) {
    this.#lifeMs = options.lifeMs;
    this.#entriesMax = options.entriesMax;
    this.#now = options.now ?? (() => performance.now());
  }

  get(key: string, load: () => Promise<V>): Promise<V> {
    const known = this.#entries.get(key);
    if (known !== undefined && this.#now() - known.loadedAtMs < this.#lifeMs) return known.value;
    // The life counts from before the look-up: what it reads may be that old.
    const entry = { value: load(), loadedAtMs: this.#now() };
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.value.catch(() => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    if (this.#entries.size > this.#entriesMax) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
    return entry.value;
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}
