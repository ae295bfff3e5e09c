/**
 * The keys above all others. They wrap the keys of a day and never leave their owner: a file
 * here, a KMS where there is one (its Encrypt and Decrypt with an encryption context fit `wrap`
 * and `unwrap` with `boundTo`).
 *
 * The file has one key a line, `<id> <32 bytes in base64>`, newest first; the first one wraps,
 * all of them unwrap. A new key is put above the old ones; an old one may go when no row names
 * it. Only its owner may read the file.
 */
import { randomBytes } from 'node:crypto';
import { open as openFile, readFile, stat } from 'node:fs/promises';
import { ChappeError } from '@chappe/errors/chappe-error';
import { keyIdOf, open, seal, type SealKey } from '@chappe/seal/seal';

export interface KeyEncryptionKeys {
  /** The key that wraps now. */
  readonly id: string;
  wrap(plaintext: Uint8Array, boundTo: Uint8Array): Promise<Uint8Array>;
  /** @throws ChappeError `notReady` if the key is not there; its detail says which and what to do */
  unwrap(wrapped: Uint8Array, boundTo: Uint8Array): Promise<Uint8Array>;
}

const keyBytes = 32;
const linePattern = /^([A-Za-z0-9._-]{1,64}) +([A-Za-z0-9+/]{43}=)$/;

/** @throws ChappeError `notReady` if the file cannot be read, is open to others or holds no keys */
export async function openKeyFile(path: string): Promise<KeyEncryptionKeys> {
  const keys = parseKeys(path, await readPrivately(path));
  const [newest] = keys.values();
  if (newest === undefined) throw unusable(path, 'it holds no key');
  return {
    id: newest.id,
    wrap: (plaintext, boundTo) => Promise.resolve(seal(newest, plaintext, boundTo)),
    unwrap: (wrapped, boundTo) => Promise.try(() => unwrap(path, keys, wrapped, boundTo)),
  };
}

/** Makes a file with one new key, for a first start. @throws ChappeError `notReady` if it is there or cannot be written */
export async function createKeyFile(path: string): Promise<void> {
  const id = `kek-${randomBytes(4).toString('hex')}`;
  const text = [
    '# The key-encryption keys of Chappe, newest first. Keep a copy in a safe place: without this',
    '# file no session and no stored body can ever be opened again.',
    `${id} ${randomBytes(keyBytes).toString('base64')}`,
    '',
  ].join('\n');
  try {
    await using file = await openFile(path, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    throw unusable(path, `it cannot be made: ${reasonOf(error)}`, error);
  }
}

async function readPrivately(path: string): Promise<string> {
  try {
    const { mode, uid } = await stat(path);
    // A mounted secret of Kubernetes is root's, and readable for the group of the pod alone.
    const allowed = uid === process.getuid?.() ? 0o700 : 0o740;
    if ((mode & 0o777 & ~allowed) !== 0) throw unusable(path, `others may read it. Run: chmod 600 ${path}`);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof ChappeError) throw error;
    throw unusable(path, `it cannot be read: ${reasonOf(error)}`, error);
  }
}

function parseKeys(path: string, text: string): Map<string, SealKey> {
  const keys = new Map<string, SealKey>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const [, id, base64] = linePattern.exec(line.trim()) ?? [];
    if (id === undefined || base64 === undefined) {
      throw unusable(path, `line ${index + 1} is not \`<id> <32 bytes in base64>\``);
    }
    if (keys.has(id)) throw unusable(path, `line ${index + 1} names the key ${id} a second time`);
    keys.set(id, { id, bytes: Buffer.from(base64, 'base64') });
  }
  return keys;
}

function unwrap(path: string, keys: ReadonlyMap<string, SealKey>, wrapped: Uint8Array, boundTo: Uint8Array): Buffer {
  const expected = keyIdOf(wrapped);
  const key = keys.get(expected);
  if (key === undefined) {
    const found = [...keys.keys()].join(', ');
    const advice = `Restore the file that belongs to this data, or add the key ${expected} below the others`;
    throw unusable(path, `the data needs the key ${expected}, the file has ${found}. ${advice}`);
  }
  try {
    return open(key, wrapped, boundTo);
  } catch (error) {
    const advice = 'Restore the file that belongs to this data';
    throw unusable(path, `its key ${expected} is not the one that the data was wrapped under. ${advice}`, error);
  }
}

function unusable(path: string, detail: string, cause?: unknown): ChappeError {
  return new ChappeError('notReady', `the key file ${path} cannot be used: ${detail}`, { cause });
}

/** The code of an I/O error (`ENOENT`), never more: file contents must not get into messages. */
function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
