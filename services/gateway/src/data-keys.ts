/**
 * Open data keys, as crypto hands them out: one for each business and day. Bounded, and forgotten
 * an hour after they came.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import type { CryptoService } from '@chappe/proto/internal/crypto_service';
import type { Client } from '@chappe/rpc/client';
import { keyIdOf, open, SealError, type SealKey } from '@chappe/seal/seal';
import { ExpiringCache } from './expiring-cache.ts';
import { cachedDataKeysMax, dataKeyLifeMs } from './limits.ts';

const dayMs = 24 * 3_600 * 1_000;

export class DataKeys {
  readonly #crypto: Client<typeof CryptoService>;
  readonly #now: () => number;
  readonly #keys = new ExpiringCache<SealKey>({ lifeMs: dataKeyLifeMs, entriesMax: cachedDataKeysMax });

  /** @param now milliseconds since 1970: the day of the key */
  constructor(crypto: Client<typeof CryptoService>, now: () => number) {
    this.#crypto = crypto;
    this.#now = now;
  }

  /** The key to seal with today. @throws ChappeError `notReady` when crypto cannot give it */
  today(business: string): Promise<SealKey> {
    return this.#get(business, Math.floor(this.#now() / dayMs), false);
  }

  /**
   * Opens what was sealed for a business; undefined if it is broken, belongs to another business, or
   * its key is destroyed.
   *
   * @throws ChappeError when crypto does not answer now
   */
  async open(business: string, sealed: Uint8Array, boundTo: Uint8Array): Promise<Buffer | undefined> {
    try {
      const { owner, day } = partsOf(keyIdOf(sealed));
      const key = owner === business && day !== undefined ? await this.find(business, day) : undefined;
      return key === undefined ? undefined : open(key, sealed, boundTo);
    } catch (error) {
      if (error instanceof SealError) return undefined;
      throw error;
    }
  }

  /** The key of a day, counted from 1970; undefined: it was destroyed. @throws ChappeError when crypto cannot give it now */
  async find(business: string, day: number): Promise<SealKey | undefined> {
    try {
      return await this.#get(business, day, true);
    } catch (error) {
      if (error instanceof ChappeError && error.reason === 'notFound') return undefined;
      throw error;
    }
  }

  #get(business: string, day: number, existingOnly: boolean): Promise<SealKey> {
    return this.#keys.get(`${business}/${day}`, async () => {
      const { keyId, key } = await this.#crypto.getDataKey({ business, day, existingOnly });
      return { id: keyId, bytes: key };
    });
  }
}

/** Of a data key, counted from 1970. */
export function dayOf({ id }: SealKey): number {
  const { day } = partsOf(id);
  if (day === undefined) throw new Error(`${id} is not the name of a data key`);
  return day;
}

/** `<business>/<day>` */
function partsOf(keyId: string): { owner: string | undefined; day: number | undefined } {
  const [owner, day, ...more] = keyId.split('/');
  return { owner, day: day !== undefined && more.length === 0 && /^\d{1,7}$/.test(day) ? Number(day) : undefined };
}
