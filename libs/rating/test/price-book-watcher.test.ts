import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { PriceBooks, type PriceBook } from '../src/price-book.ts';
import { watchPriceBooks, type PriceBookWatcher } from '../src/price-book-watcher.ts';
import { publishPriceBooks } from '../src/publish.ts';

function book(version: string, effectiveFromMs: number, currency = 'EUR'): PriceBook {
  const prices = { marketing: 4, utility: 3, authentication: 2, service: 1 };
  return { version, effectiveFromMs, currency, source: 'a test', default: prices, countries: {} };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await pause(2);
}

const versions = (watcher: PriceBookWatcher): string[] => watcher.books().all.map(({ version }) => version);

test('a book that is published is known without a restart, and in force from its date on', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await using watcher = await watchPriceBooks(coordination);
  assert.throws(
    () => watcher.books(),
    (error) => error instanceof ChappeError && error.reason === 'notReady',
  );
  await publishPriceBooks(coordination, PriceBooks.of([book('one', 0)]));
  await until(() => isPublished(watcher));
  await publishPriceBooks(coordination, PriceBooks.of([book('two', 1_000)]));
  await until(() => versions(watcher).length === 2);
  assert.equal(watcher.books().at(999).version, 'one');
  assert.equal(watcher.books().at(1_000).version, 'two');
  assert.equal(watcher.problem(), undefined);
});

test('books that do not go together are said, and the last ones that did stay in force', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await publishPriceBooks(coordination, PriceBooks.of([book('one', 0)]));
  await using watcher = await watchPriceBooks(coordination);
  await coordination.transact([], [{ kind: 'put', key: 'price-books/two', value: '{ "version": "two" }' }]);
  await until(() => watcher.problem() !== undefined);
  assert.match(watcher.problem() ?? '', /price book two: effectiveFrom/);
  assert.deepEqual(versions(watcher), ['one']);
  await coordination.transact([], [{ kind: 'delete', key: 'price-books/two' }]);
  await until(() => watcher.problem() === undefined);
});

test('books of another currency are refused before they are published', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await publishPriceBooks(coordination, PriceBooks.of([book('one', 0)]));
  await assert.rejects(publishPriceBooks(coordination, PriceBooks.of([book('two', 1_000, 'USD')])), /currencies/);
  await using watcher = await watchPriceBooks(coordination);
  assert.deepEqual(versions(watcher), ['one']);
});

function isPublished(watcher: PriceBookWatcher): boolean {
  try {
    return versions(watcher).length > 0;
  } catch {
    return false;
  }
}
