/** Removes what has ended from the relay's tables, once a minute. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store } from '@chappe/store/store';
import { purgeClaims } from './claims.ts';
import type { Events } from './events.ts';
import { purgeMs } from './limits.ts';
import { purgeKeys } from './pre-keys.ts';
import { purgeCodes } from './registration-codes.ts';

export interface PurgerDependencies {
  readonly store: Store;
  readonly events: Events;
  readonly now: () => number;
}

export function startPurger({ store, events, now }: PurgerDependencies): AsyncDisposable {
  const ending = new AbortController();
  const loop = (async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await sleep(purgeMs, undefined, { signal: ending.signal, ref: false }).catch(() => undefined);
      if (ending.signal.aborted) return;
      try {
        await purge(store, now());
      } catch (error) {
        // The store is away; the next minute removes what this one did not.
        events.unexpected(error, 'purge');
      }
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await loop;
    },
  };
}

export async function purge(store: Store, nowMs: number): Promise<void> {
  await store.transaction(async (tx) => {
    await purgeClaims(tx, nowMs);
    await purgeKeys(tx, nowMs);
    await purgeCodes(tx, nowMs);
  });
}
