/**
 * How this project opens its SQLite files, and what SQLite's errors mean to it.
 *
 * Every file is in WAL mode with `synchronous=FULL`: what COMMIT confirmed survives `kill -9`
 * and a loss of power. An exclusive file belongs to one connection, which saves the shared
 * memory file and keeps a second process out.
 */
import { DatabaseSync } from 'node:sqlite';

/** What an error of `node:sqlite` means, whichever port it surfaces through. */
export type SqliteFault =
  /** Another connection holds the file: try again. */
  | 'busy'
  /** A unique key is there already. */
  | 'conflict'
  /** The flush to disk failed in COMMIT: after a crash the transaction may be there or not. */
  | 'undecided'
  /** Closed, full, read-only, damaged or unreadable. */
  | 'unavailable'
  /** The statement or its parameters are wrong. */
  | 'invalid';

/** The fault and a message that says what to do; it holds no values. */
export interface SqliteProblem {
  readonly fault: SqliteFault;
  readonly message: string;
}

/** Opens a file, or an own database in memory if there is no path. */
export function openSqliteFile(path: string | undefined, options: { readonly exclusive: boolean }): DatabaseSync {
  const database = new DatabaseSync(path ?? ':memory:', { timeout: options.exclusive ? 0 : busyTimeoutMs });
  try {
    if (options.exclusive) database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec(`
      PRAGMA page_size = ${pageBytes};
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${checkpointPages};
      PRAGMA journal_size_limit = ${journalBytesMax};
      PRAGMA cache_size = -${cacheKibibytes};
      PRAGMA temp_store = MEMORY;
    `);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Ends an open transaction without effect; SQLite may have done so itself after an error. */
export function rollBack(database: DatabaseSync): void {
  if (database.isOpen && database.isTransaction) database.exec('ROLLBACK');
}

export function explainSqliteError(error: unknown, path: string): SqliteProblem {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined;
  if (code === 'ERR_INVALID_STATE') return { fault: 'unavailable', message: `${path} is closed` };
  if (code === 'ERR_OUT_OF_RANGE') {
    return {
      fault: 'invalid',
      message: 'an integer beyond 2^53 - 1 cannot be read as a number: store it as text',
    };
  }
  if (code !== 'ERR_SQLITE_ERROR' || errcode === undefined) return { fault: 'invalid', message };
  if (errcode === ioErrorOfFsync || errcode === ioErrorOfDirectoryFsync) {
    return { fault: 'undecided', message: `${path} could not be flushed to disk: check the disk` };
  }
  if (uniqueViolations.has(errcode)) return { fault: 'conflict', message };
  switch (errcode & 0xff) {
    case 5:
    case 6:
      return { fault: 'busy', message: `${path} is locked by another process: close it there` };
    case 8:
      return { fault: 'unavailable', message: `${path} is read-only: check its permissions` };
    case 7:
      return { fault: 'unavailable', message: `${path} cannot be used: out of memory` };
    case 10:
      return {
        fault: 'unavailable',
        message: `${path} cannot be read or written: check the disk and its free space`,
      };
    case 11:
    case 26:
      return {
        fault: 'unavailable',
        message: `${path} is damaged or no SQLite file: restore it from a backup`,
      };
    case 13:
      return {
        fault: 'unavailable',
        message: `${path} cannot grow: the disk is full, free some space`,
      };
    case 14:
      return {
        fault: 'unavailable',
        message: `${path} cannot be opened: check that its folder exists and is writable`,
      };
    default:
      return { fault: 'invalid', message };
  }
}

/** Only a tool that looks into a shared file from outside ever holds it; waiting blocks the event loop. */
const busyTimeoutMs = 1_000;

/**
 * A session record of 4.3 kB fits into one page of 8 KiB and takes two of SQLite's usual 4 KiB:
 * measured on the standalone node, a third fewer writes and a tenth less CPU a message; 16 KiB
 * writes more bytes and gains nothing.
 */
const pageBytes = 8_192;

/**
 * 16 MiB of pages between two checkpoints: rows spread over many contacts touch the same pages again
 * and again, and a quarter less is written than with SQLite's 1,000; one takes some 20 ms.
 */
const checkpointPages = 2_000;

/** The journal between two checkpoints and one large transaction; grown past this, it shrinks again. */
const journalBytesMax = 32 * 1024 * 1024;

/** Six connections of this cache stay under 50 MB of the 250 MB that an idle node may take. */
const cacheKibibytes = 8 * 1024;

/** Extended result codes: https://sqlite.org/rescode.html */
const ioErrorOfFsync = 1034;
const ioErrorOfDirectoryFsync = 1290;
/** PRIMARYKEY, UNIQUE, ROWID. */
const uniqueViolations: ReadonlySet<number> = new Set([1555, 2067, 2579]);
