/** The range of the tests of the fence, and a step of its progress. */
import type { Range } from '@chappe/ranges/range';
import type { Store } from '@chappe/store/store';
import { migrate } from '@chappe/store/migrate';
import { claimRange, type Advance, type Progress } from '../src/fence.ts';

export const range: Range = {
  id: 'r1',
  start: '',
  end: ':',
  state: 'active',
  owner: 's1',
  ownerInstance: 'one',
  epoch: 1,
  topic: 'range-r1',
  store: 'main',
};

export async function migrateSender(store: Store): Promise<void> {
  await migrate(store, { service: 'sender', directory: new URL('../migrations', import.meta.url) });
}

/** @throws Error if it is refused */
export async function claim(store: Store, epoch: number, instance: string): Promise<Progress> {
  const claimed = await claimRange(store, range, epoch, instance);
  if (claimed.kind === 'claimed') return claimed.progress;
  throw new Error(`the claim is ${claimed.kind}`);
}

/** One more record is done. */
export function oneMore({ nextOffset, doneBeyond, eventNo, publishedNo }: Progress): Advance {
  return {
    nextOffset: nextOffset + 1,
    doneBeyond,
    eventNo,
    publishedNo,
    lastOffset: nextOffset,
    lastId: `m${nextOffset}`,
    lastTimeMs: 1_000 + nextOffset,
    floorTimeMs: 1_000 + nextOffset,
  };
}
