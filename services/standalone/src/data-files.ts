/** The names of everything in a standalone node's data folder, and the keys it makes for itself. */
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChappeError } from '@chappe/errors/chappe-error';

export interface DataFiles {
  readonly log: string;
  readonly coordination: string;
  readonly store: string;
  /** Crypto's own: keys lie apart from what they open. */
  readonly cryptoStore: string;
  readonly blobs: string;
  readonly keyEncryptionKeys: string;
  readonly adminKey: string;
  readonly registrationCodes: string;
}

export function dataFilesIn(folder: string): DataFiles {
  return {
    log: join(folder, 'log.sqlite'),
    coordination: join(folder, 'coordination.sqlite'),
    store: join(folder, 'store.sqlite'),
    cryptoStore: join(folder, 'crypto.sqlite'),
    blobs: join(folder, 'blobs'),
    keyEncryptionKeys: join(folder, 'key-encryption-keys'),
    adminKey: join(folder, 'admin-key'),
    registrationCodes: join(folder, 'registration-codes.jsonl'),
  };
}

/** The operator's key: made at the first start, 256 random bits, readable by the owner only. */
export async function readOrMakeAdminKey(path: string): Promise<string> {
  try {
    const key = (await readFile(path, 'utf8')).trim();
    if (key.length >= 32) return key;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw new ChappeError('notReady', `the admin key ${path} cannot be read`, { cause: error });
    }
    const key = `admin_${randomBytes(32).toString('base64url')}`;
    await writeFile(path, `${key}\n`, { mode: 0o600, flag: 'wx' });
    return key;
  }
  throw new ChappeError(
    'notReady',
    `the admin key ${path} is shorter than 32 characters: delete the file and a new one is made`,
  );
}

/** A path of a socket may have about 100 bytes (unix(7): sun_path has 108). */
const socketPathBytesMax = 100;

export interface SocketFolder extends AsyncDisposable {
  /** `unix:` address of a service inside this process. */
  addressOf(service: string): string;
}

/** Where the services of this process listen for each other: a folder that only its owner enters. */
export async function openSocketFolder(dataFolder: string): Promise<SocketFolder> {
  const inside = join(dataFolder, 'run');
  const fits = Buffer.byteLength(join(inside, 'crypto.sock')) + 'coordinator'.length < socketPathBytesMax;
  const folder = fits ? inside : await mkdtemp(join(tmpdir(), 'chappe-'));
  // Sockets of a node that was killed are in the way of the new ones; the data folder is locked by now.
  if (fits) {
    await rm(inside, { recursive: true, force: true });
    await mkdir(inside, { mode: 0o700 });
  }
  return {
    addressOf: (service) => `unix:${join(folder, `${service}.sock`)}`,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
