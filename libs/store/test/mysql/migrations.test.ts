/** The migrations of all services in both dialects, on real servers. */
import assert from 'node:assert/strict';
import { cp, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { migrate } from '../../src/migrate.ts';
import { openMysqlStore } from '../../src/mysql-store.ts';
import { splitStatements } from '../../src/split-statements.ts';
import { openSqliteStore } from '../../src/sqlite-store.ts';
import type { Store, Table } from '../../src/store.ts';
import { temporaryFolder } from '../temporary-folder.ts';
import { ownDatabase, skipWithoutServer } from './own-database.ts';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** Every package that has tables: its name and its folder of migrations. */
async function packages(): Promise<{ service: string; directory: string }[]> {
  const found = await Promise.all(
    ['services', 'libs'].map(async (parent) => {
      const names = await readdir(join(root, parent));
      return names.map((service) => ({ service, directory: join(root, parent, service, 'migrations') }));
    }),
  );
  const areThere = await Promise.all(
    found.flat().map(async (each) => ({ each, isThere: (await filesOf(each.directory, 'sqlite')).length > 0 })),
  );
  return areThere.filter(({ isThere }) => isThere).map(({ each }) => each);
}

async function filesOf(directory: string, dialect: string): Promise<string[]> {
  const names: string[] = await readdir(join(directory, dialect)).catch(() => []);
  return names.toSorted();
}

async function migrateAll(store: Store): Promise<string[]> {
  const applied: string[] = [];
  for (const options of await packages()) {
    for (const version of await migrate(store, options)) applied.push(`${options.service} ${version}`);
  }
  return applied;
}

/** `table.column`, and whether it may be NULL. */
async function columnsOf(store: Store): Promise<string[]> {
  const sql =
    store.dialect === 'sqlite'
      ? `SELECT t.name AS table_name, c.name AS column_name, (c."notnull" = 0 AND c.pk = 0) AS nullable
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'`
      : `SELECT table_name AS table_name, column_name AS column_name, is_nullable = 'YES' AS nullable
         FROM information_schema.columns WHERE table_schema = DATABASE()`;
  const rows = await store.query(sql);
  return rows
    .map((row) => `${String(row['table_name'])}.${String(row['column_name'])}${row['nullable'] === 1 ? ' NULL' : ''}`)
    .toSorted();
}

test('both dialects have migrations of the same versions and names', async () => {
  const all = await packages();
  assert.ok(all.length >= 6);
  for (const { directory } of all) {
    assert.deepEqual(await filesOf(directory, 'mysql'), await filesOf(directory, 'sqlite'), directory);
  }
});

describe('migrations of all services', { skip: skipWithoutServer }, () => {
  test('both dialects make the same tables and columns', async () => {
    await using database = await ownDatabase();
    await using mysql = await openMysqlStore(database.options);
    await using folder = await temporaryFolder();
    await using sqlite = await openSqliteStore({ path: join(folder.path, 'store.sqlite') });
    assert.deepEqual(await migrateAll(mysql), await migrateAll(sqlite));
    assert.deepEqual(await columnsOf(mysql), await columnsOf(sqlite));
    assert.deepEqual(await migrateAll(mysql), []);
  });

  test('of several processes that migrate at once, one does it and the others wait', async () => {
    await using database = await ownDatabase();
    await using first = await openMysqlStore(database.options);
    await using second = await openMysqlStore(database.options);
    await using third = await openMysqlStore(database.options);
    const applied = await Promise.all([first, second, third].map(migrateAll));
    const all = applied.flat();
    assert.equal(new Set(all).size, all.length);
    assert.deepEqual(await migrateAll(first), []);
  });

  test('a migration that broke off in the middle is finished by the next start', async () => {
    await using database = await ownDatabase();
    await using store = await openMysqlStore(database.options);
    const [sender] = (await packages()).filter(({ service }) => service === 'sender');
    assert.ok(sender !== undefined);
    const [first = ''] = await filesOf(sender.directory, 'mysql');
    const statements = splitStatements(await readFile(join(sender.directory, 'mysql', first), 'utf8'));
    // DDL commits by itself: a process that dies here leaves half of the file done.
    for (const statement of statements.slice(0, 3)) await store.transaction((tx) => tx.run(statement));
    assert.ok((await migrate(store, sender)).length > 0);
    assert.deepEqual(await store.query('SELECT * FROM held_records'), []);
  });

  test('the version before goes on writing while the next one migrates, and may start again behind it', async () => {
    await using database = await ownDatabase();
    await using before = await openMysqlStore(database.options);
    await using next = await openMysqlStore(database.options);
    await using folder = await temporaryFolder();
    const [old, fresh] = [join(folder.path, 'old'), join(folder.path, 'fresh')];
    await mkdir(join(old, 'mysql'), { recursive: true });
    await writeFile(join(old, 'mysql', '001-first.sql'), firstSql);
    await cp(old, fresh, { recursive: true });
    await writeFile(join(fresh, 'mysql', '002-colour.sql'), nextSql);
    await migrate(before, { service: 'test', directory: old });

    // As replicas of the version before do: by its own columns, in transactions of its own, all the time.
    const written: string[] = [];
    const ended = new AbortController();
    const writing = (async () => {
      while (!ended.signal.aborted) {
        const name = `thing ${written.length}`;
        await before.transaction((tx) => tx.insert(things, [[written.length, name]], 'fail'));
        written.push(name);
      }
    })();
    assert.deepEqual(await migrate(next, { service: 'test', directory: fresh }), [2]);
    const enough = written.length + 20;
    while (written.length < enough) await next.query('SELECT 1');
    ended.abort();
    await writing;

    const rows = await next.query('SELECT id, name, colour FROM things ORDER BY id');
    assert.deepEqual(
      rows.map(({ name, colour }) => [name, colour]),
      written.map((name) => [name, '']),
    );
    assert.deepEqual(await migrate(before, { service: 'test', directory: old }), []);
  });

  test('a changed table whose migration broke off before it was written down is left as it is by the next start', async () => {
    await using database = await ownDatabase();
    await using store = await openMysqlStore(database.options);
    await using folder = await temporaryFolder();
    await mkdir(join(folder.path, 'mysql'));
    await writeFile(join(folder.path, 'mysql', '001-first.sql'), firstSql);
    await migrate(store, { service: 'test', directory: folder.path });
    await store.transaction(async (tx) => {
      for (const statement of splitStatements(nextSql)) await tx.run(statement);
    });
    await writeFile(join(folder.path, 'mysql', '002-colour.sql'), nextSql);
    assert.deepEqual(await migrate(store, { service: 'test', directory: folder.path }), [2]);
    assert.deepEqual(await store.query('SELECT colour FROM things'), []);
  });
});

const things: Table = { name: 'things', key: ['id'], columns: ['id', 'name'] };

const firstSql =
  'CREATE TABLE IF NOT EXISTS things (id INTEGER NOT NULL, name VARCHAR(100) NOT NULL, PRIMARY KEY (id));';

/** MySQL 8 has no ADD COLUMN IF NOT EXISTS: this is the form of CONTRIBUTING.md. */
const nextSql = `
SELECT IF(
  EXISTS (SELECT 1 FROM information_schema.columns
          WHERE table_schema = DATABASE() AND table_name = 'things' AND column_name = 'colour'),
  'DO 0',
  'ALTER TABLE things ADD COLUMN colour VARCHAR(20) NOT NULL DEFAULT ""') INTO @change;
PREPARE colour_change FROM @change;
EXECUTE colour_change;
DEALLOCATE PREPARE colour_change;
`;
