/**
 * Shares the main thread among calls: work asks for a breath between two operations, and waits
 * for its turn once the slice is used up, so that keepalives and other callers run between.
 * One waiting call goes on in each turn of the event loop, in order of arrival.
 */
export class TimeSlice {
  readonly #sliceMs: number;
  readonly #waiting: (() => void)[] = [];
  #startedAtMs = 0;

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Waits for the next slice if this one is used up. */
  async breathe(): Promise<void> {
    if (this.#waiting.length === 0 && performance.now() - this.#startedAtMs < this.#sliceMs) return;
    await new Promise<void>((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) setImmediate(() => this.#next());
    });
  }

  #next(): void {
    this.#startedAtMs = performance.now();
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(() => this.#next());
  }
}
