/** Removes ended bookings whose events can no longer repeat. The ledger is never touched. */
import type { Store } from '@chappe/store/store';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BillingEvents } from './events.ts';
import { endedBookingsKeptMs, purgeEveryMs, purgeSliceRows } from './limits.ts';

/** Purges now and then, until it is disposed. */
export function startPurging(store: Store, events: BillingEvents, now: () => number): AsyncDisposable {
  const ending = new AbortController();
  const { signal } = ending;
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        events.purged(await purgeBookings(store, now(), signal));
      } catch (error) {
        events.purgeFailed(error);
      }
      await sleep(purgeEveryMs, undefined, { signal }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]: async () => {
      ending.abort();
      await running;
    },
  };
}

/** How many rows went. One transaction for each slice. */
export async function purgeBookings(store: Store, nowMs: number, signal: AbortSignal): Promise<number> {
  const before = nowMs - endedBookingsKeptMs;
  let removed = 0;
  for (;;) {
    const old = await store.query(
      "SELECT business, message_id FROM bookings WHERE state <> 'reserved' AND time_ms < ? ORDER BY time_ms LIMIT ?",
      [before, purgeSliceRows],
    );
    if (old.length === 0 || signal.aborted) return removed;
    await store.transaction((tx) =>
      tx.runMany(
        'DELETE FROM bookings WHERE business = ? AND message_id = ?',
        old.map((row) => [String(row['business']), String(row['message_id'])]),
      ),
    );
    removed += old.length;
  }
}
