/**
 * Who calls: a business by one of its API keys, or the operator by the admin key.
 *
 * Look-ups are kept for a second, so that a revoked key stops working within one; long streams ask
 * again with every frame.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Store } from '@chappe/store/store';
import { timingSafeEqual } from 'node:crypto';
import { businessOfKey, digestOfKey } from './api-keys.ts';
import { readBusiness, type Business } from './businesses.ts';
import { ExpiringCache } from './expiring-cache.ts';
import { cachedKeysMax, keyLifeMs } from './limits.ts';
import { asCallerSees } from './store-errors.ts';

export class Callers {
  readonly #store: Store;
  readonly #adminDigest: Buffer;
  /** By the digest of the key. Unknown keys are remembered like others: a wrong one costs the store a look-up a second. */
  readonly #known = new ExpiringCache<Business | undefined>({ lifeMs: keyLifeMs, entriesMax: cachedKeysMax });

  constructor(store: Store, adminKey: string) {
    this.#store = store;
    this.#adminDigest = digestOfKey(adminKey);
  }

  /** @throws ChappeError `unauthenticated`, `accessDenied`, `storeUnavailable` */
  async business(bearer: string): Promise<Business> {
    if (bearer === '') throw new ChappeError('unauthenticated', 'no API key; send `authorization: Bearer <key>`');
    const digest = digestOfKey(bearer);
    const business = await this.#find(digest);
    if (business !== undefined) return business;
    if (timingSafeEqual(digest, this.#adminDigest)) {
      throw new ChappeError('accessDenied', "this call is a business's: use one of its API keys, not the admin key");
    }
    throw new ChappeError('unauthenticated', 'the API key is unknown or revoked');
  }

  /** @throws ChappeError `unauthenticated`, `accessDenied`, `storeUnavailable` */
  async operator(bearer: string): Promise<void> {
    if (bearer === '') throw new ChappeError('unauthenticated', 'no admin key; send `authorization: Bearer <key>`');
    const digest = digestOfKey(bearer);
    if (timingSafeEqual(digest, this.#adminDigest)) return;
    if ((await this.#find(digest)) !== undefined) {
      throw new ChappeError('accessDenied', "this call is the operator's: use the admin key, not an API key");
    }
    throw new ChappeError('unauthenticated', 'the admin key is wrong');
  }

  /** Forgets what is cached, after a change made here. */
  refresh(): void {
    this.#known.clear();
  }

  async #find(digest: Buffer): Promise<Business | undefined> {
    try {
      return await this.#known.get(digest.toString('base64'), async () => {
        const id = await businessOfKey(this.#store, digest);
        return id === undefined ? undefined : readBusiness(this.#store, id);
      });
    } catch (error) {
      throw asCallerSees(error);
    }
  }
}
