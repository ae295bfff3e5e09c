import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { PriceBooks } from '../src/price-book.ts';
import { loadPriceBooks, publishPriceBooks, readPriceBooks } from '../src/publish.ts';

test('what is published is loaded, and publishing again changes nothing', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await assert.rejects(loadPriceBooks(coordination), refused('notReady'));
  const books = await readPriceBooks();
  await Promise.all([publishPriceBooks(coordination, books), publishPriceBooks(coordination, books)]);
  assert.deepEqual((await loadPriceBooks(coordination)).all, books.all);
});

test('a published version is never overwritten with other content', async () => {
  await using coordination = await openEmbeddedCoordination({});
  const books = await readPriceBooks();
  await publishPriceBooks(coordination, books);
  const changed = books.all.map((book) => ({ ...book, default: { ...book.default, utility: 1 } }));
  await assert.rejects(publishPriceBooks(coordination, PriceBooks.of(changed)), refused('alreadyExists'));
  assert.deepEqual((await loadPriceBooks(coordination)).all, books.all);
});

test('a folder without books, or with one that is wrong, is refused with the name of the file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-rating-'));
  try {
    await assert.rejects(readPriceBooks(folder), refused('parameterInvalid'));
    await writeFile(join(folder, 'wrong.json'), '{ "version": "1" }');
    await assert.rejects(readPriceBooks(folder), /wrong\.json: price book 1: effectiveFrom/);
    await assert.rejects(readPriceBooks(join(folder, 'missing')), refused('parameterInvalid'));
  } finally {
    await rm(folder, { recursive: true });
  }
});

function refused(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof ChappeError && error.reason === reason;
}
