/**
 * A handset's state in one SQLite file, which only its owner may read and one process may open.
 *
 * It is read whole at the start and written at each commit. The keys in it are as safe as the
 * file: a telephone would keep them in its keystore.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { ChappeError } from '@chappe/errors/chappe-error';
import { emptyMaps, recordKinds, stateOver, type HandsetState, type RecordKind } from './handset-state.ts';

/** @throws ChappeError `storeUnavailable` if it cannot be opened, or another process has it open */
export function openHandsetFile(path: string): HandsetState {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    const database = new DatabaseSync(path);
    // The write takes the lock of the exclusive mode for good.
    database.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      BEGIN IMMEDIATE;
      CREATE TABLE IF NOT EXISTS records (
        place INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, UNIQUE (kind, key));
      COMMIT;
    `);
    return stateIn(database);
  } catch (error) {
    throw unavailable(`the handset's file ${path} cannot be opened. Does another process use it?`, error);
  }
}

function stateIn(database: DatabaseSync): HandsetState {
  const maps = emptyMaps();
  for (const { kind, key, value } of database
    .prepare('SELECT kind, key, value FROM records ORDER BY place')
    .iterate()) {
    if (isRecordKind(kind) && value instanceof Uint8Array) maps[kind].set(String(key), value);
  }
  const put = database.prepare(
    'INSERT INTO records (kind, key, value) VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value',
  );
  const remove = database.prepare('DELETE FROM records WHERE kind = ? AND key = ?');
  const changes = new Map<string, Change>();
  return stateOver(maps, {
    changed(kind, key, value) {
      const name = `${kind}/${key}`;
      // Deleted and put again, a key takes a new place: the changes keep their order.
      const isDeleted = changes.get(name)?.deletes ?? false;
      changes.delete(name);
      changes.set(name, { kind, key, value, deletes: isDeleted || value === undefined });
    },
    commit() {
      if (changes.size > 0) write(database, put, remove, changes.values());
      changes.clear();
    },
    close: () => database.close(),
  });
}

interface Change {
  readonly kind: RecordKind;
  readonly key: string;
  readonly value: Uint8Array | undefined;
  /** Whether the row that is there goes, even if the key is put again. */
  readonly deletes: boolean;
}

function write(database: DatabaseSync, put: StatementSync, remove: StatementSync, changes: Iterable<Change>): void {
  try {
    database.exec('BEGIN IMMEDIATE');
    for (const { kind, key, value, deletes } of changes) {
      if (deletes) remove.run(kind, key);
      if (value !== undefined) put.run(kind, key, value);
    }
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw unavailable("the handset's file cannot be written. Is the disk full or read-only?", error);
  }
}

function isRecordKind(kind: unknown): kind is RecordKind {
  return recordKinds.some((known) => known === kind);
}

function unavailable(detail: string, cause: unknown): ChappeError {
  return new ChappeError('storeUnavailable', detail, { cause });
}
