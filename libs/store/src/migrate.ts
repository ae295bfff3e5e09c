/**
 * Brings the tables of one service up to date, forward only.
 *
 * A service keeps its migrations as `<directory>/<dialect>/NNN-name.sql`. What was applied is
 * remembered with its digest, so that an edited file is noticed. Versions in the database that the
 * directory does not know are left alone: an older replica may start while newer ones run.
 *
 * In SQLite each file is one transaction. MySQL commits every DDL statement by itself, so there a
 * file says `IF NOT EXISTS` and can be run again, and whoever comes first keeps the others out by a
 * lock of the server, which ends with its connection.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { splitStatements } from './split-statements.ts';
import type { Store, Transaction } from './store.ts';
import { StoreError } from './store.ts';

export interface MigrateOptions {
  /** Whose tables they are. */
  readonly service: string;
  readonly directory: URL | string;
  readonly now?: () => number;
}

/**
 * Applies what is missing, in the order of the numbers; the versions that were applied now.
 *
 * @throws StoreError `invalid` if an applied file was changed, a number is used twice, or a name is wrong;
 *   `refused` if another process migrates and does not end.
 */
export async function migrate(store: Store, options: MigrateOptions): Promise<number[]> {
  const migrations = await readMigrations(options.directory, store.dialect);
  if (store.dialect === 'mysql') return migrateUnderLock(store, migrations, options);
  await store.transaction((tx) => tx.run(createMigrationsTable));
  const applied: number[] = [];
  for (const migration of migrations) {
    const isNew = await store.transaction((tx) => applyOnce(tx, migration, options));
    if (isNew) applied.push(migration.version);
  }
  return applied;
}

/** On one connection, whose lock outlives the commits of DDL. */
function migrateUnderLock(store: Store, migrations: readonly Migration[], options: MigrateOptions): Promise<number[]> {
  return store.transaction(async (tx) => {
    await takeLock(tx);
    try {
      await tx.run(createMigrationsTable);
      const applied: number[] = [];
      for (const migration of migrations) {
        if (await applyOnce(tx, migration, options)) applied.push(migration.version);
      }
      return applied;
    } finally {
      // After a failed statement it ends with the connection.
      await tx.query(`SELECT RELEASE_LOCK(${lockName})`).catch(() => undefined);
    }
  });
}

async function takeLock(tx: Transaction): Promise<void> {
  for (let waitedSeconds = 0; waitedSeconds < lockWaitSecondsMax; waitedSeconds += 1) {
    const [row] = await tx.query(`SELECT GET_LOCK(${lockName}, 1) AS got`);
    if (row?.['got'] === 1) return;
  }
  throw new StoreError('refused', `another process has been migrating the database for ${lockWaitSecondsMax} s`);
}

/** One for each database of a server: names of locks are the server's, and at most 64 characters. */
const lockName = "CONCAT('chappe-migrate-', MD5(DATABASE()))";

/** Changing the form of a large table takes minutes; whoever gives up here is started again. */
const lockWaitSecondsMax = 120;

interface Migration {
  readonly version: number;
  readonly name: string;
  readonly digest: string;
  readonly statements: readonly string[];
}

async function readMigrations(directory: URL | string, dialect: string): Promise<Migration[]> {
  const folder = join(directory instanceof URL ? fileURLToPath(directory) : directory, dialect);
  const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).toSorted();
  const migrations = await Promise.all(names.map((name) => readMigration(folder, name)));
  for (const [index, { version, name }] of migrations.entries()) {
    if (migrations[index - 1]?.version === version) {
      throw new StoreError('invalid', `migration ${name} has the number of the one before it: renumber it`);
    }
  }
  return migrations;
}

async function readMigration(folder: string, name: string): Promise<Migration> {
  const version = /^(\d{3})-[a-z0-9-]+\.sql$/.exec(name)?.[1];
  if (version === undefined) {
    throw new StoreError('invalid', `${join(folder, name)} is no migration: name it like 001-first-tables.sql`);
  }
  const text = await readFile(join(folder, name), 'utf8');
  const digest = createHash('sha256').update(text).digest('hex');
  return { version: Number(version), name, digest, statements: splitStatements(text) };
}

async function applyOnce(tx: Transaction, migration: Migration, options: MigrateOptions): Promise<boolean> {
  const { version, name, digest, statements } = migration;
  const { service, now = Date.now } = options;
  const [known] = await tx.queryForUpdate(
    'SELECT name, digest FROM schema_migrations WHERE service = ? AND version = ?',
    [service, version],
  );
  if (known !== undefined) {
    if (known['digest'] === digest) return false;
    throw new StoreError(
      'invalid',
      `migration ${name} of ${service} was changed after it was applied: restore the file and add a new one`,
    );
  }
  for (const statement of statements) await tx.run(statement);
  await tx.run('INSERT INTO schema_migrations (service, version, name, digest, applied_at) VALUES (?, ?, ?, ?, ?)', [
    service,
    version,
    name,
    digest,
    now(),
  ]);
  return true;
}

/** `name` is for people; `digest` is SHA-256 in hexadecimal; `applied_at` is in ms since 1970. */
const createMigrationsTable = `
  CREATE TABLE IF NOT EXISTS schema_migrations (
    service VARCHAR(64) NOT NULL,
    version INTEGER NOT NULL,
    name VARCHAR(200) NOT NULL,
    digest CHAR(64) NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (service, version)
  )`;
