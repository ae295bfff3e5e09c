/** Migrations: order, repetition, change, and how their text is split. */
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { rejectsAs } from '../src/conformance-harness.ts';
import { migrate } from '../src/migrate.ts';
import { splitStatements } from '../src/split-statements.ts';
import { openSqliteStore } from '../src/sqlite-store.ts';
import type { Store } from '../src/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

interface Setup extends AsyncDisposable {
  readonly store: Store;
  readonly directory: string;
  readonly write: (name: string, text: string) => Promise<void>;
}

async function setUp(): Promise<Setup> {
  const folder = await temporaryFolder();
  const store = await openSqliteStore({ path: join(folder.path, 'store.sqlite') });
  await mkdir(join(folder.path, 'sqlite'));
  return {
    store,
    directory: folder.path,
    write: (name, text) => writeFile(join(folder.path, 'sqlite', name), text),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

test('migrations are applied in order, each once', async () => {
  await using setup = await setUp();
  const { store, directory, write } = setup;
  await write('002-more.sql', 'ALTER TABLE t ADD COLUMN b TEXT;\n');
  await write('001-first.sql', "-- t; the table\nCREATE TABLE t (a TEXT);\nINSERT INTO t VALUES ('x;\n');\n");
  assert.deepEqual(await migrate(store, { service: 'sender', directory }), [1, 2]);
  assert.deepEqual(await migrate(store, { service: 'sender', directory: pathToFileURL(directory) }), []);
  await write('003-last.sql', 'DROP TABLE t');
  assert.deepEqual(await migrate(store, { service: 'sender', directory, now: () => 7 }), [3]);
  const [row] = await store.query('SELECT service, version, name, applied_at FROM schema_migrations WHERE version = 3');
  assert.deepEqual(row, { service: 'sender', version: 3, name: '003-last.sql', applied_at: 7 });
});

test('services count their migrations apart', async () => {
  await using setup = await setUp();
  const { store, directory, write } = setup;
  await write('001-first.sql', 'CREATE TABLE IF NOT EXISTS t (a TEXT);');
  assert.deepEqual(await migrate(store, { service: 'sender', directory }), [1]);
  assert.deepEqual(await migrate(store, { service: 'gateway', directory }), [1]);
});

test('a migration that fails leaves nothing behind, and those before it stay', async () => {
  await using setup = await setUp();
  const { store, directory, write } = setup;
  await write('001-first.sql', 'CREATE TABLE t (a TEXT);');
  await write('002-broken.sql', "INSERT INTO t VALUES ('x');\nCREATE TABLE t (a TEXT);");
  await rejectsAs('invalid', migrate(store, { service: 'sender', directory }));
  assert.deepEqual(await store.query('SELECT * FROM t'), []);
  await write('002-broken.sql', "INSERT INTO t VALUES ('x');");
  assert.deepEqual(await migrate(store, { service: 'sender', directory }), [2]);
});

test('a migration that was changed after it was applied is refused', async () => {
  await using setup = await setUp();
  const { store, directory, write } = setup;
  await write('001-first.sql', 'CREATE TABLE t (a TEXT);');
  await migrate(store, { service: 'sender', directory });
  await write('001-first.sql', 'CREATE TABLE t (a INTEGER);');
  await rejectsAs('invalid', migrate(store, { service: 'sender', directory }));
});

test('a database that is ahead of the code is left as it is', async () => {
  await using setup = await setUp();
  const { store, directory, write } = setup;
  await write('001-first.sql', 'CREATE TABLE t (a TEXT);');
  await write('002-newer.sql', 'CREATE TABLE u (a TEXT);');
  await migrate(store, { service: 'sender', directory });
  await rm(join(directory, 'sqlite', '002-newer.sql'));
  assert.deepEqual(await migrate(store, { service: 'sender', directory }), []);
});

test('a number used twice and a malformed name are refused before anything is applied', async () => {
  await using setup = await setUp();
  const { store, directory, write } = setup;
  await write('001-first.sql', 'CREATE TABLE t (a TEXT);');
  await write('001-second.sql', 'CREATE TABLE u (a TEXT);');
  await rejectsAs('invalid', migrate(store, { service: 'sender', directory }));
  await rm(join(directory, 'sqlite', '001-second.sql'));
  await write('second.sql', 'CREATE TABLE u (a TEXT);');
  await rejectsAs('invalid', migrate(store, { service: 'sender', directory }));
  await rejectsAs('invalid', store.query('SELECT * FROM t'));
});

test('a semicolon in a quote or a comment ends no statement', () => {
  const text = `
    -- a; b
    CREATE TABLE t ( -- the table; of t
      a TEXT DEFAULT 'x;''y', /* c; d */
      "b;" TEXT
    );
    SELECT 1 ;;
    SELECT 2`;
  assert.deepEqual(
    splitStatements(text).map((statement) => statement.replaceAll(/\s+/g, ' ')),
    [`CREATE TABLE t ( a TEXT DEFAULT 'x;''y', "b;" TEXT )`, 'SELECT 1', 'SELECT 2'],
  );
});
