/**
 * The folder of a standalone node, used by one node at a time.
 *
 * The lock is SQLite's lock on a file, which the operating system takes back when the process ends,
 * however it ends: nothing stale is ever left. `node.pid` is only for the message to the second node.
 */
import { access, constants, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { explainSqliteError } from './sqlite-file.ts';
import { StoreError } from './store.ts';

export interface DataFolder extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
}

/** @throws StoreError `refused` if another node uses the folder, `unavailable` if it cannot be used; both say what to do. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const folder = resolve(path);
  await makeFolder(folder);
  const lock = await takeLock(folder);
  try {
    await writeFile(join(folder, pidFile), `${process.pid}\n`, { mode: 0o600 });
  } catch (error) {
    lock.close();
    throw folderError(folder, error);
  }
  return {
    path: folder,
    async [Symbol.asyncDispose]() {
      if (lock.isOpen) lock.close();
    },
  };
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await makeWithParents(folder);
    if (!(await stat(folder)).isDirectory()) throw Object.assign(new Error('not a folder'), { code: 'ENOTDIR' });
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw folderError(folder, error);
  }
}

/** Not `mkdir` with `recursive`: under a folder that takes none, such as /proc, that tries for ever. */
async function makeWithParents(folder: string): Promise<void> {
  if ((await tryMkdir(folder)) === 'made') return;
  await makeWithParents(dirname(folder));
  if ((await tryMkdir(folder)) === 'made') return;
  throw Object.assign(new Error('its parent takes no folders'), { code: 'EACCES' });
}

async function tryMkdir(folder: string): Promise<'made' | 'no parent'> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return 'made';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    // What is there and no folder is refused by the caller.
    if (code === 'EEXIST') return 'made';
    if (code === 'ENOENT' && dirname(folder) !== folder) return 'no parent';
    throw error;
  }
}

async function takeLock(folder: string): Promise<DatabaseSync> {
  const file = join(folder, lockFile);
  let lock: DatabaseSync | undefined;
  try {
    lock = new DatabaseSync(file);
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    return lock;
  } catch (error) {
    lock?.close();
    const { fault, message } = explainSqliteError(error, file);
    if (fault !== 'busy') throw new StoreError('unavailable', message, { cause: error });
    const pid = (await readFile(join(folder, pidFile), 'utf8').catch(() => '')).trim() || 'unknown';
    throw new StoreError(
      'refused',
      `${folder} is in use by another node (process ${pid}): stop it first, or choose another data folder`,
      { cause: error },
    );
  }
}

function folderError(folder: string, error: unknown): StoreError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new StoreError('unavailable', `data folder ${folder}: ${advice(code)}`, { cause: error });
}

function advice(code: string): string {
  switch (code) {
    case 'EEXIST':
    case 'ENOTDIR':
      return 'it, or a part of its path, is a file: choose another path';
    case 'EACCES':
    case 'EPERM':
      return 'it cannot be written by this user: change its owner or permissions, or choose another path';
    case 'EROFS':
      return 'it lies on a read-only file system: choose another path';
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full: free some space';
    default:
      return `it cannot be used (${code}): check the path and the disk`;
  }
}

const lockFile = 'node.lock';
const pidFile = 'node.pid';
