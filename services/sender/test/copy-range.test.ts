/** Rows of a range that go to another store: killed at every step, by rivals, with a source that came back from before. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { contactTables, rangeTables } from '../src/tables.ts';
import { copyTests } from './copy-tests.ts';
import { migrateSender } from './one-range.ts';

describe('the copy of a range between two SQLite files', () => {
  copyTests(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chappe-copy-'));
    const open = async (name: string): Promise<Store> => openSqliteStore({ path: join(folder, `${name}.sqlite`) });
    const [source, target] = [await open('source'), await open('target')];
    await Promise.all([source, target].map(migrateSender));
    return {
      source,
      target,
      [Symbol.asyncDispose]: async () => {
        await Promise.all([source, target].map((store) => store[Symbol.asyncDispose]()));
        await rm(folder, { recursive: true });
      },
    };
  });
});

for (const dialect of ['sqlite', 'mysql'])
  test(`every table of the migrations moves with its contacts or ends with its range (${dialect})`, async () => {
    const folder = new URL(`../migrations/${dialect}/`, import.meta.url);
    const texts = await Promise.all((await readdir(folder)).map((name) => readFile(new URL(name, folder), 'utf8')));
    const made = texts.flatMap((text) =>
      [...text.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+)/g)].map(([, name]) => name),
    );
    const known = [...contactTables.map(({ table }) => table), ...rangeTables].map(({ name }) => name);
    assert.deepEqual(made.toSorted(), known.toSorted());
    for (const { order } of contactTables) assert.equal(order[0], 'contact');
  });
