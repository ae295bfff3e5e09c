/**
 * Hands a business's events to those who wait for them, once they are committed. Each holds a few; who falls
 * behind reads the table. Other gateways write there as well, so a wait also ends by itself.
 */
import type { StoredEvent } from './event-table.ts';
import { eventsHeldMax } from './limits.ts';

export class EventFeed {
  readonly #waiting = new Map<string, Set<EventListener>>();

  /** By business, in order. */
  committed(written: ReadonlyMap<string, readonly StoredEvent[]>): void {
    for (const [business, events] of written) {
      for (const listener of this.#waiting.get(business) ?? []) listener.give(events);
    }
  }

  /**
   * Listens from now on: take it before reading the table, so that nothing written in between is
   * missed.
   */
  listen(business: string): EventListener {
    const waiting = this.#waiting.get(business) ?? new Set();
    const listener = new EventListener(() => {
      waiting.delete(listener);
      if (waiting.size === 0) this.#waiting.delete(business);
    });
    waiting.add(listener);
    this.#waiting.set(business, waiting);
    return listener;
  }
}

export class EventListener implements Disposable {
  readonly #end: () => void;
  /** The newest, without a gap. */
  #held: readonly StoredEvent[] = [];
  #isNew = false;
  #wake: (() => void) | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  give(events: readonly StoredEvent[]): void {
    const continues = this.#held.length === 0 || events[0]?.no === (this.#held.at(-1)?.no ?? 0) + 1;
    const held = continues ? [...this.#held, ...events] : events;
    this.#held = held.length > eventsHeldMax ? [] : held;
    this.#isNew = true;
    this.#wake?.();
  }

  /** Those right behind a number, at most so many; undefined: they are not held, the table may have them. */
  take(after: number, limit: number): readonly StoredEvent[] | undefined {
    this.#held = this.#held.filter(({ no }) => no > after);
    if (this.#held[0]?.no !== after + 1) return undefined;
    const taken = this.#held.slice(0, limit);
    this.#held = this.#held.slice(limit);
    return taken;
  }

  /** Resolves when something was written since the last wait, after a while, or when aborted. */
  async wait(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (!this.#isNew && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const end = (): void => resolve();
      const timer = setTimeout(end, timeoutMs);
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
      await promise;
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      this.#wake = undefined;
    }
    this.#isNew = false;
  }

  [Symbol.dispose](): void {
    this.#end();
  }
}
