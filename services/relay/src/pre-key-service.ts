/** PreKeyService, for the range workers: claims, and a word to devices that run low. */
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Store } from '@chappe/store/store';
import { claim } from './claims.ts';
import type { Events } from './events.ts';

export interface PreKeyServiceDependencies {
  readonly store: Store;
  readonly events: Events;
  readonly now: () => number;
  readonly onLow: (contact: string, device: number) => void;
}

export function preKeyService({ store, events, now, onLow }: PreKeyServiceDependencies): Implementation {
  return implement(PreKeyService, {
    async claim({ claims }) {
      const { bundles, given, low } = await claim(store, claims, now());
      for (const key of given) events.claimed(key);
      for (const { contact, device } of low) onLow(contact, device);
      return { results: bundles.map((bundle) => (bundle === undefined ? {} : { bundle })) };
    },
  });
}
