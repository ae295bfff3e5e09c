/**
 * The queue of one range in a producer: what waits, and the batch that is in flight.
 *
 * Invariant: `batch` is older than everything that waits, and entries are settled in order.
 */
import type { NewRecord } from '@chappe/log/log';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { AppenderLimits } from './limits.ts';
import type { Range } from './range.ts';

/** Where a command came to rest. */
export interface Appended {
  readonly rangeId: string;
  readonly offset: number;
  readonly appendTimeMs: number;
}

export interface Entry {
  readonly contact: PhoneNumber;
  readonly record: NewRecord;
  resolve(appended: Appended): void;
  reject(error: unknown): void;
}

export class Lane {
  range: Range;
  /** The range was replaced: what is left goes elsewhere. */
  retired = false;
  /** The loop that empties the lane, while there is one. */
  work: Promise<void> | undefined;
  /** The last offset that this process got here. */
  lastOffset: number | undefined;
  readonly #limits: AppenderLimits;
  #waiting: Entry[] = [];
  #batch: readonly Entry[] = [];
  #bytes = 0;
  #wake: (() => void) | undefined;

  constructor(range: Range, limits: AppenderLimits) {
    this.range = range;
    this.#limits = limits;
  }

  get pending(): number {
    return this.#waiting.length + this.#batch.length;
  }

  /** For the smallest as for the largest: none may pass one that was refused (ORDER). Beyond the bytes by one record. */
  get isFull(): boolean {
    return this.pending >= this.#limits.queueRecordsMax || this.#bytes >= this.#limits.queueBytesMax;
  }

  push(entry: Entry): void {
    this.#waiting.push(entry);
    this.#bytes += entry.record.value.length;
  }

  /** Takes from the head as much as fits in one append. */
  startBatch(): readonly Entry[] {
    let bytes = 0;
    let count = 0;
    for (const { record } of this.#waiting) {
      bytes += record.value.length;
      if (count === this.#limits.batchRecordsMax || (count > 0 && bytes > this.#limits.batchBytesMax)) break;
      count += 1;
    }
    this.#batch = this.#waiting.splice(0, count);
    return this.#batch;
  }

  appended(firstOffset: number, appendTimeMs: number): void {
    const batch = this.#endBatch();
    const rangeId = this.range.id;
    this.lastOffset = firstOffset + batch.length - 1;
    batch.forEach((entry, index) => entry.resolve({ rangeId, offset: firstOffset + index, appendTimeMs }));
  }

  refuseBatch(error: unknown): void {
    for (const entry of this.#endBatch()) entry.reject(error);
  }

  refuseAll(error: unknown): void {
    for (const entry of this.takeAll()) entry.reject(error);
  }

  /** Puts the batch back at the head. */
  takeBack(): void {
    this.#waiting = [...this.#batch, ...this.#waiting];
    this.#batch = [];
  }

  takeAll(): readonly Entry[] {
    const all = [...this.#batch, ...this.#waiting];
    this.#batch = [];
    this.#waiting = [];
    this.#bytes = 0;
    return all;
  }

  wake(): void {
    this.#wake?.();
  }

  /** Resolves when the lane is retired, or after a while. */
  async retiredOrAfter(waitMs: number): Promise<void> {
    if (this.retired) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => resolve(), waitMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  #endBatch(): readonly Entry[] {
    const batch = this.#batch;
    this.#batch = [];
    for (const { record } of batch) this.#bytes -= record.value.length;
    return batch;
  }
}
