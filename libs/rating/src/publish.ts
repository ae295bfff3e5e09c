/**
 * Price books in coordination, under `price-books/<version>`: written by billing, read by every
 * service that rates. A version is written once and never changed.
 */
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatPriceBook, parsePriceBook, PriceBooks } from './price-book.ts';

export const priceBookPrefix = 'price-books/';

/** The folder of the books that come with Chappe. */
export const bundledPriceBooks = join(import.meta.dirname, '..', 'price-books');

/**
 * Reads a folder of price books (`*.json`).
 *
 * @throws ChappeError `parameterInvalid` naming the file and what is wrong in it
 */
export async function readPriceBooks(directory: string = bundledPriceBooks): Promise<PriceBooks> {
  try {
    const names = (await readdir(directory)).filter((name) => name.endsWith('.json')).toSorted();
    return PriceBooks.of(
      await Promise.all(
        names.map(async (name) => {
          try {
            return parsePriceBook(await readFile(join(directory, name), 'utf8'));
          } catch (error) {
            throw new Error(`${name}: ${messageOf(error)}`, { cause: error });
          }
        }),
      ),
    );
  } catch (error) {
    throw new ChappeError('parameterInvalid', `price books in ${directory}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Writes the books that are not there. Safe to repeat, and to run from several processes at once.
 *
 * A book of a later date is decided by from its date on, wherever it is known: publish it some minutes before.
 *
 * @throws ChappeError `alreadyExists` if a version is there with other content; `parameterInvalid` if the
 *   books do not go together with those that are there
 * @throws CoordinationError
 */
export async function publishPriceBooks(coordination: Coordination, books: PriceBooks): Promise<void> {
  await expectToGoTogether(coordination, books);
  for (const book of books.all) {
    const key = `${priceBookPrefix}${book.version}`;
    const value = formatPriceBook(book);
    const { succeeded } = await coordination.transact([{ key, absent: true }], [{ kind: 'put', key, value }]);
    if (succeeded) continue;
    const existing = await coordination.get(key);
    if (existing?.value === value) continue;
    const detail = `price book ${book.version} is published with other content; published books never change: give the new prices a new version`;
    throw new ChappeError('alreadyExists', detail);
  }
}

/** Books that do not would keep every sender from starting. */
async function expectToGoTogether(coordination: Coordination, books: PriceBooks): Promise<void> {
  const own = new Set(books.all.map(({ version }) => priceBookPrefix + version));
  const { entries } = await coordination.list(priceBookPrefix);
  const others = entries.filter(({ key }) => !own.has(key));
  try {
    PriceBooks.of([...books.all, ...others.map(({ value }) => parsePriceBook(value))]);
  } catch (error) {
    throw new ChappeError('parameterInvalid', `with the price books that are published: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/**
 * @throws ChappeError `notReady` if none is published yet: billing publishes them when it starts
 * @throws CoordinationError
 */
export async function loadPriceBooks(coordination: Coordination): Promise<PriceBooks> {
  const { entries } = await coordination.list(priceBookPrefix);
  if (entries.length === 0)
    throw new ChappeError('notReady', 'no price book is published yet; billing does it when it starts');
  return PriceBooks.of(entries.map(({ value }) => parsePriceBook(value)));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
