/**
 * What sessions and private keys of business numbers are sealed under: one key a day, named
 * `sealing/<day>`. They are never destroyed by age, as a session may lie unused for years; that
 * is one row a day.
 */
import { additionalData, keyIdOf, open, seal } from '@chappe/seal/seal';
import { ChappeError } from '@chappe/errors/chappe-error';
import { dayMs } from './limits.ts';
import { WrappedKeys, type WrappedKeysOptions } from './wrapped-keys.ts';

export class SealingKeys {
  readonly #keys: WrappedKeys;
  readonly #now: () => number;

  constructor(options: Pick<WrappedKeysOptions, 'store' | 'keyEncryptionKeys'> & { readonly now: () => number }) {
    this.#keys = new WrappedKeys({
      store: options.store,
      keyEncryptionKeys: options.keyEncryptionKeys,
      table: 'sealing_keys',
      boundTo: (keyId) => additionalData('sealing-key', keyId),
    });
    this.#now = options.now;
  }

  async seal(plaintext: Uint8Array, boundTo: Uint8Array): Promise<Buffer> {
    const day = Math.floor(this.#now() / dayMs);
    return seal(await this.#keys.findOrMake(`sealing/${day}`, day), plaintext, boundTo);
  }

  /** @throws SealError if the seal is broken; ChappeError `notReady` or StoreError if the key is not available now */
  async open(sealed: Uint8Array, boundTo: Uint8Array): Promise<Buffer> {
    const key = await this.#keys.find(keyIdOf(sealed));
    if (key === undefined) throw new ChappeError('notReady', 'the key of a sealed session or private key is missing');
    return open(key, sealed, boundTo);
  }

  check(): Promise<void> {
    return this.#keys.check();
  }
}
