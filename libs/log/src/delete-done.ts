/** Deletes the records of a topic that are done and old. */
import type { Log } from './log.ts';

/**
 * Deletes those below `done` that were appended before a time; finds where to cut by bisection, as
 * append times never decrease.
 *
 * @throws LogError
 */
export async function deleteDoneRecords(log: Log, topic: string, done: number, beforeMs: number): Promise<void> {
  let [low, high] = [0, done];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [record] = await log.readAt(topic, middle, 1);
    // What is deleted already is older than anything that is there.
    if (record === undefined || record.appendTimeMs < beforeMs) low = middle + 1;
    else high = middle;
  }
  if (low > 0) await log.deleteBefore(topic, low);
}
