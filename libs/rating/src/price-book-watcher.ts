/**
 * A process's own copy of the published price books, kept up to date from coordination: a new book is
 * known everywhere within a second, without a restart. The watch only wakes a loop, which reads what is there. What was
 * read once stays in use while coordination is away, or holds books that do not go together.
 */
import { CoordinationError, type Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PriceBooks } from './price-book.ts';
import { loadPriceBooks, priceBookPrefix } from './publish.ts';

export interface PriceBookWatcher extends AsyncDisposable {
  /** @throws ChappeError `notReady` while none is published */
  books(): PriceBooks;
  /** Why what is published cannot be used. Absence of coordination is none: nothing else can be published meanwhile. */
  problem(): string | undefined;
}

/** First and longest wait before a read that failed is repeated. */
const retryMs = { first: 100, longest: 2_000 } as const;

/** Resolves after the first attempt to read, also if that failed. */
export async function watchPriceBooks(coordination: Coordination): Promise<PriceBookWatcher> {
  const watcher = new Watcher(coordination);
  await watcher.start();
  return watcher;
}

class Watcher implements PriceBookWatcher {
  readonly #coordination: Coordination;
  readonly #ending = new AbortController();
  #watch: Disposable | undefined;
  #loop: Promise<void> | undefined;
  #wake = Promise.withResolvers<void>();
  #books: PriceBooks | undefined;
  #problem: string | undefined;

  constructor(coordination: Coordination) {
    this.#coordination = coordination;
  }

  async start(): Promise<void> {
    this.#watch = this.#coordination.watch(priceBookPrefix, () => this.#wake.resolve());
    this.#loop = this.#run(await this.#read());
  }

  books(): PriceBooks {
    if (this.#books !== undefined) return this.#books;
    const detail = 'no price book is published yet; billing does it when it starts';
    throw new ChappeError('notReady', detail, { retryAfterMs: 1_000 });
  }

  problem(): string | undefined {
    return this.#problem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#wake.resolve();
    this.#watch?.[Symbol.dispose]();
    await this.#loop;
  }

  async #run(wasRead: boolean): Promise<void> {
    const { signal } = this.#ending;
    let isRead = wasRead;
    let waitMs: number = retryMs.first;
    while (!signal.aborted) {
      if (isRead) {
        waitMs = retryMs.first;
        await this.#wake.promise;
      } else {
        await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
      if (signal.aborted) return;
      this.#wake = Promise.withResolvers<void>();
      isRead = await this.#read();
    }
  }

  /** Whether it is known what is there. */
  async #read(): Promise<boolean> {
    try {
      this.#books = await loadPriceBooks(this.#coordination);
      this.#problem = undefined;
      return true;
    } catch (error) {
      if (error instanceof CoordinationError) return false;
      // None is published: the next one wakes the loop.
      const isNone = error instanceof ChappeError && error.reason === 'notReady';
      this.#problem = isNone ? undefined : `price books: ${error instanceof Error ? error.message : 'unknown'}`;
      return true;
    }
  }
}
