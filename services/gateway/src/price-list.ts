/**
 * The price books, as quotes use them: read at the start, and again now and then, since billing may
 * publish new ones at any time.
 */
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { PriceBooks } from '@chappe/rating/price-book';
import { loadPriceBooks } from '@chappe/rating/publish';

export class PriceList {
  readonly #coordination: Coordination;
  readonly #now: () => number;
  #books: PriceBooks | undefined;

  constructor(coordination: Coordination, now: () => number) {
    this.#coordination = coordination;
    this.#now = now;
  }

  /** Whether there is one now; the last good one stays. */
  async refresh(): Promise<boolean> {
    try {
      this.#books = await loadPriceBooks(this.#coordination);
    } catch {
      // What is known stays in force; readiness says when there is nothing.
    }
    return this.#books !== undefined;
  }

  /** @throws ChappeError `notReady` while none is published */
  books(): PriceBooks {
    if (this.#books !== undefined) return this.#books;
    throw new ChappeError('notReady', 'no price list is published yet', { retryAfterMs: 1_000 });
  }

  /** Of the book in force. @throws ChappeError `notReady` */
  currency(): string {
    return this.books().at(this.#now()).currency;
  }
}
