/**
 * Keys of 32 bytes in a table, wrapped under the key-encryption key; opened ones are cached.
 *
 * A key is made once: whoever inserts its row first has made it, everybody else reads that row.
 */
import { randomBytes } from 'node:crypto';
import type { SealKey } from '@chappe/seal/seal';
import type { Store, Table } from '@chappe/store/store';
import { BoundedCache } from './bounded-cache.ts';
import type { KeyEncryptionKeys } from './key-encryption-keys.ts';
import { openedKeysMax } from './limits.ts';

const keyBytes = 32;

export interface WrappedKeysOptions {
  readonly store: Store;
  readonly keyEncryptionKeys: KeyEncryptionKeys;
  readonly table: 'sealing_keys' | 'data_keys';
  readonly boundTo: (keyId: string) => Uint8Array;
}

export class WrappedKeys {
  readonly #options: WrappedKeysOptions;
  readonly #table: Table;
  readonly #opened = new BoundedCache<SealKey>(openedKeysMax);

  constructor(options: WrappedKeysOptions) {
    this.#options = options;
    this.#table = { name: options.table, key: ['key_id'], columns: ['key_id', 'day', 'kek_id', 'wrapped'] };
  }

  /** @throws ChappeError `notReady` if the key that wraps it is not there; StoreError */
  async find(keyId: string): Promise<SealKey | undefined> {
    const opened = this.#opened.get(keyId);
    if (opened !== undefined) return opened;
    const { store, keyEncryptionKeys, table, boundTo } = this.#options;
    const [row] = await store.query(`SELECT wrapped FROM ${table} WHERE key_id = ?`, [keyId]);
    const wrapped = row?.['wrapped'];
    if (!(wrapped instanceof Uint8Array)) return undefined;
    const key = { id: keyId, bytes: await keyEncryptionKeys.unwrap(wrapped, boundTo(keyId)) };
    this.#opened.set(keyId, key);
    return key;
  }

  /** The key, made if it is not there. */
  async findOrMake(keyId: string, day: number): Promise<SealKey> {
    const found = await this.find(keyId);
    if (found !== undefined) return found;
    const { store, keyEncryptionKeys, table, boundTo } = this.#options;
    const wrapped = await keyEncryptionKeys.wrap(randomBytes(keyBytes), boundTo(keyId));
    await store.transaction((tx) => tx.insert(this.#table, [[keyId, day, keyEncryptionKeys.id, wrapped]], 'ignore'));
    const made = await this.find(keyId);
    if (made === undefined) throw new Error(`${table} has lost the key ${keyId} that was just written`);
    return made;
  }

  /** Destroys the keys of days before this one; how many there were. */
  async destroyBefore(day: number): Promise<number> {
    const { store, table } = this.#options;
    for (const keyId of this.#opened.keys()) {
      if (dayOf(keyId) < day) this.#opened.delete(keyId);
    }
    return store.transaction((tx) => tx.run(`DELETE FROM ${table} WHERE day < ?`, [day]));
  }

  /** Opens one key of each key-encryption key that the table names: fails at once if one is wrong. */
  async check(): Promise<void> {
    const { store, table } = this.#options;
    const rows = await store.query(`SELECT MAX(key_id) AS key_id FROM ${table} GROUP BY kek_id`);
    for (const { key_id: keyId } of rows) await this.find(String(keyId));
  }
}

/** Both tables name their keys `<what>/<day>`. */
function dayOf(keyId: string): number {
  return Number(keyId.slice(keyId.lastIndexOf('/') + 1));
}
