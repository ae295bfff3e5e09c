/**
 * What bodies are sealed under: one key a business and day, named `<business>/<day>`.
 *
 * A key is destroyed `dataKeyLifeDays` after its day; with it every body that was sealed under it
 * is gone for good, backups and topics included. A destroyed day is never made anew.
 */
import { boundToDataKey } from '@chappe/seal/bound-to';
import { keyIdOf, open, SealError, seal, type SealKey } from '@chappe/seal/seal';
import { ChappeError } from '@chappe/errors/chappe-error';
import { dataKeyLifeDays, dayMs } from './limits.ts';
import { WrappedKeys, type WrappedKeysOptions } from './wrapped-keys.ts';

export class DataKeys {
  readonly #keys: WrappedKeys;
  readonly #now: () => number;

  constructor(options: Pick<WrappedKeysOptions, 'store' | 'keyEncryptionKeys'> & { readonly now: () => number }) {
    this.#keys = new WrappedKeys({
      store: options.store,
      keyEncryptionKeys: options.keyEncryptionKeys,
      table: 'data_keys',
      boundTo: boundToDataKey,
    });
    this.#now = options.now;
  }

  /** @throws ChappeError `notFound` if it was destroyed, is of a later day than tomorrow, or is not there and shall not be made */
  async get(business: string, day: number, existingOnly: boolean): Promise<SealKey> {
    const today = this.#today();
    const keyId = `${business}/${day}`;
    const mayMake = !existingOnly && day >= today - dataKeyLifeDays && day <= today + 1;
    const key = await (mayMake ? this.#keys.findOrMake(keyId, day) : this.#keys.find(keyId));
    if (key === undefined)
      throw new ChappeError(
        'notFound',
        `there is no data key ${keyId}; the days kept are ${today - dataKeyLifeDays} to ${today + 1}`,
      );
    return key;
  }

  /** The key of now. */
  today(business: string): Promise<SealKey> {
    return this.get(business, this.#today(), false);
  }

  seal(key: SealKey, plaintext: Uint8Array, boundTo: Uint8Array): Buffer {
    return seal(key, plaintext, boundTo);
  }

  /** @throws SealError if the seal is broken or another business's; ChappeError or StoreError if the key is not available */
  async open(business: string, sealed: Uint8Array, boundTo: Uint8Array): Promise<Buffer> {
    const keyId = keyIdOf(sealed);
    if (!keyId.startsWith(`${business}/`)) throw new SealError("sealed under another business's key");
    const key = await this.#keys.find(keyId);
    if (key === undefined) throw new ChappeError('notFound', 'the data key of a body was destroyed or never made');
    return open(key, sealed, boundTo);
  }

  destroyOld(): Promise<number> {
    return this.#keys.destroyBefore(this.#today() - dataKeyLifeDays);
  }

  check(): Promise<void> {
    return this.#keys.check();
  }

  #today(): number {
    return Math.floor(this.#now() / dayMs);
  }
}
