/**
 * The embedded driver of blobs: a folder, with one file per blob.
 *
 * A key's parts are folders and its last part, marked with `~`, is the file, so that `a` and `a/b`
 * can both exist. A blob is written beside, flushed, and renamed into place: a reader, and a node
 * that was killed, see the old one or the new one, never half of one.
 */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Blobs } from './blobs.ts';
import { BlobError } from './blobs.ts';
import { blobBytesMax, keyLengthMax, keyPartLengthMax, listLimitMax } from './limits.ts';

/** @throws BlobError `unavailable` if the folder cannot be made or written. */
export async function openFolderBlobs(options: { readonly path: string }): Promise<Blobs> {
  const root = resolve(options.path);
  const temporary = join(root, temporaryFolder);
  return guard(root, async () => {
    await rm(temporary, { recursive: true, force: true });
    await makeFolder(temporary);
    return new FolderBlobs(root, temporary);
  });
}

class FolderBlobs implements Blobs {
  readonly #root: string;
  readonly #temporary: string;
  #closed = false;

  constructor(root: string, temporary: string) {
    this.#root = root;
    this.#temporary = temporary;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#path(key);
    if (bytes.length > blobBytesMax) throw new BlobError('too_large', `a blob has at most ${blobBytesMax} bytes`);
    const temporary = join(this.#temporary, randomUUID());
    await guard(this.#root, async () => {
      try {
        await writeFlushed(temporary, bytes);
        await makeFolder(dirname(path));
        await rename(temporary, path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw error;
      }
      await flushFolder(dirname(path));
    });
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const path = this.#path(key);
    return guard(this.#root, () => unlessMissing(readFile(path)));
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    await guard(this.#root, () => unlessMissing(rm(path).then(() => flushFolder(dirname(path)))));
  }

  async list(prefix: string, { after = '', limit }: { after?: string; limit: number }): Promise<string[]> {
    this.#refuseIfClosed();
    if (!Number.isInteger(limit) || limit < 1 || limit > listLimitMax) {
      throw new BlobError('invalid_key', `a list has 1 to ${listLimitMax} keys`);
    }
    const keys: string[] = [];
    await guard(this.#root, () => collectKeys({ root: this.#root, prefix, after, limit, keys }, ''));
    return keys;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
  }

  #path(key: string): string {
    this.#refuseIfClosed();
    refuseIfMalformed(key);
    return join(this.#root, `${key}${fileMark}`);
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new BlobError('unavailable', `the blobs in ${this.#root} are closed`);
  }
}

interface KeySearch {
  readonly root: string;
  readonly prefix: string;
  readonly after: string;
  readonly limit: number;
  readonly keys: string[];
}

/** Walks in the order of the keys: a folder `a` stands for `a/`, which sorts after the blobs `a` and `a-b`. */
async function collectKeys(search: KeySearch, parent: string): Promise<void> {
  const { root, prefix, after, limit, keys } = search;
  const entries = (await unlessMissing(readdir(join(root, parent), { withFileTypes: true }))) ?? [];
  const names = entries.flatMap((entry) => {
    if (entry.isDirectory()) return entry.name === temporaryFolder ? [] : [`${parent}${entry.name}/`];
    return entry.name.endsWith(fileMark) ? [`${parent}${entry.name.slice(0, -fileMark.length)}`] : [];
  });
  for (const name of names.toSorted()) {
    if (keys.length >= limit) return;
    if (name.endsWith('/')) {
      const mayMatch = name.startsWith(prefix) || prefix.startsWith(name);
      if (mayMatch && (name > after || after.startsWith(name))) await collectKeys(search, name);
    } else if (name.startsWith(prefix) && name > after) {
      keys.push(name);
    }
  }
}

function refuseIfMalformed(key: string): void {
  const isWellFormed =
    key.length <= keyLengthMax &&
    /^[a-zA-Z0-9._/-]+$/.test(key) &&
    key.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && part.length <= keyPartLengthMax);
  if (!isWellFormed) throw new BlobError('invalid_key', 'a key is 1 to 512 of a-z A-Z 0-9 . _ - / without empty parts');
}

async function writeFlushed(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(bytes);
  await file.sync();
}

/** Makes a folder and those above it, and flushes each into its parent. */
async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await flushFolder(dirname(made));
}

async function flushFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function guard<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof BlobError) throw error;
    const code = errorCode(error);
    const advice = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full, free some space' : 'check the folder';
    throw new BlobError('unavailable', `blobs in ${root}: ${code}: ${advice}`, { cause: error });
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Neither character is in the alphabet of keys. */
const fileMark = '~';
const temporaryFolder = '~temporary';
