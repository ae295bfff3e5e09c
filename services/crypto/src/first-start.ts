/**
 * The key file of a start: made if the data is new, opened if it is not.
 *
 * A missing file beside data that needs it is never replaced: a new key would open nothing.
 */
import { access } from 'node:fs/promises';
import { ChappeError } from '@chappe/errors/chappe-error';
import { migrate } from '@chappe/store/migrate';
import type { Store } from '@chappe/store/store';
import { createKeyFile, openKeyFile, type KeyEncryptionKeys } from './key-encryption-keys.ts';

/** @throws ChappeError `notReady` if the file is missing though the data needs it, or cannot be used */
export async function openOrCreateKeyFile(path: string, store: Store): Promise<KeyEncryptionKeys> {
  if (!(await isThere(path))) {
    await migrate(store, { service: 'crypto', directory: new URL('../migrations', import.meta.url) });
    const needed = await keysNeededBy(store);
    if (needed.length > 0) {
      const detail = `the key file ${path} is missing, and the data needs its key ${needed.join(', ')}. Restore the file from its copy`;
      throw new ChappeError('notReady', detail);
    }
    await createKeyFile(path);
  }
  return openKeyFile(path);
}

async function keysNeededBy(store: Store): Promise<string[]> {
  const rows = await store.query('SELECT kek_id FROM sealing_keys UNION SELECT kek_id FROM data_keys');
  return rows.map((row) => String(row['kek_id']));
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw new ChappeError('notReady', `the key file ${path} cannot be reached`, { cause: error });
  }
}
