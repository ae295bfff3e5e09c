/** Through the fence for the last time: from its commit on nobody works on the range again. */
import type { Store } from '@chappe/store/store';
import { commitThroughFence, type Outcome, type Progress } from './fence.ts';
import { deletePublished } from './write-changes.ts';

/** Every record of it is done, and every event published. */
export function closeRange(store: Store, rangeId: string, held: Progress): Promise<Outcome> {
  const { eventNo, publishedNo } = held;
  return commitThroughFence(store, rangeId, held, { ...held, publishedNo: eventNo }, async (tx) => {
    await Promise.all([
      deletePublished(tx, rangeId, publishedNo, eventNo),
      tx.run("UPDATE range_progress SET state = 'drained' WHERE range_id = ?", [rangeId]),
    ]);
  });
}
