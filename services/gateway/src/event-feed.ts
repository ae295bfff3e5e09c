/**
 * Wakes those who wait for a business's events. It carries nothing: who wakes reads the table.
 * Other gateways write there as well, so a wait also ends by itself.
 */
import type { EventFrame } from '@chappe/proto/internal/events';

export class EventFeed {
  readonly #waiting = new Map<string, Set<() => void>>();

  committed(frames: readonly EventFrame[]): void {
    if (this.#waiting.size === 0) return;
    const businesses = new Set(frames.flatMap((frame) => frame.events.map((event) => event.business)));
    for (const business of businesses) {
      for (const wake of this.#waiting.get(business) ?? []) wake();
    }
  }

  /**
   * Listens from now on: take it before reading the table, so that nothing written in between is
   * missed.
   */
  listen(business: string): EventListener {
    const listener = new EventListener(() => {
      waiting.delete(wake);
      if (waiting.size === 0) this.#waiting.delete(business);
    });
    const wake = (): void => listener.wake();
    const waiting = this.#waiting.get(business) ?? new Set();
    waiting.add(wake);
    this.#waiting.set(business, waiting);
    return listener;
  }
}

export class EventListener implements Disposable {
  readonly #end: () => void;
  #isNew = false;
  #wake: (() => void) | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  wake(): void {
    this.#isNew = true;
    this.#wake?.();
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
