/**
 * Makes a business number usable: its identity in crypto, then its entry in the directory
 * (`numbers/<digits>` in coordination, read by relays). Both can be repeated, so a gateway that
 * dies in between leaves a row that the next start finishes.
 */
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { CryptoService } from '@chappe/proto/internal/crypto_service';
import type { Client } from '@chappe/rpc/client';
import type { Store } from '@chappe/store/store';
import { readUnannounced } from './businesses.ts';

export interface AnnouncerDependencies {
  readonly crypto: Client<typeof CryptoService>;
  readonly coordination: Coordination;
  readonly store: Store;
}

export interface Announcement {
  readonly number: PhoneNumber;
  readonly business: string;
  /** As people see it. */
  readonly name: string;
}

/** @throws ChappeError if crypto cannot make it, or has it for another business */
export async function makeIdentity({ crypto }: AnnouncerDependencies, announcement: Announcement): Promise<void> {
  const { number, business } = announcement;
  await crypto.createNumber({ business, number });
}

/** @throws ChappeError `notReady` */
export async function enterNumber(dependencies: AnnouncerDependencies, announcement: Announcement): Promise<void> {
  const { coordination, store } = dependencies;
  const { number, business, name } = announcement;
  try {
    const value = JSON.stringify({ business, name });
    await coordination.transact([], [{ kind: 'put', key: `numbers/${number}`, value }]);
  } catch (error) {
    throw new ChappeError('notReady', 'the directory of numbers cannot be written now', { cause: error });
  }
  await store.transaction((tx) => tx.run('UPDATE business_numbers SET announced = 1 WHERE number = ?', [number]));
}

/** Finishes what a dead gateway began. The numbers that are left to do. */
export async function announceLeftovers(dependencies: AnnouncerDependencies): Promise<number> {
  const leftovers = await readUnannounced(dependencies.store);
  let left = 0;
  for (const announcement of leftovers) {
    try {
      await makeIdentity(dependencies, announcement);
      await enterNumber(dependencies, announcement);
    } catch (error) {
      if (!(error instanceof ChappeError)) throw error;
      left += 1;
    }
  }
  return left;
}
