/** Deletes request keys and events that are older than what is promised, a few rows at a time. */
import type { Row, SqlValue, Store } from '@chappe/store/store';
import type { GatewayEvents } from './events.ts';
import { retentionMs, retentionRowsMax } from './limits.ts';

/** One round: at most `retentionRowsMax` of each table. How many rows went. */
export async function expireRows(store: Store, nowMs: number, events: GatewayEvents): Promise<number> {
  const before = nowMs - retentionMs;
  const keys = await store.query(
    'SELECT business, request_key FROM request_keys WHERE created_at_ms < ? ORDER BY created_at_ms LIMIT ?',
    [before, retentionRowsMax],
  );
  const old = await oldEvents(store, before);
  if (keys.length === 0 && old.length === 0) return 0;
  await store.transaction(async (tx) => {
    await tx.runMany(
      'DELETE FROM request_keys WHERE business = ? AND request_key = ?',
      keys.map(values('business', 'request_key')),
    );
    await tx.runMany('DELETE FROM business_events WHERE business = ? AND no = ?', old.map(values('business', 'no')));
  });
  events.rowsExpired(keys.length + old.length);
  return keys.length + old.length;
}

/** A business's events are about in the order of their times: the oldest are looked at, until a young one comes. */
async function oldEvents(store: Store, before: number): Promise<Row[]> {
  const old: Row[] = [];
  for (const { business } of await store.query('SELECT business FROM business_event_counters')) {
    if (old.length >= retentionRowsMax) break;
    const [oldest] = await store.query(
      'SELECT no, time_ms FROM business_events WHERE business = ? ORDER BY no LIMIT 1',
      [business ?? ''],
    );
    if (oldest === undefined || Number(oldest['time_ms']) >= before) continue;
    const rows = await store.query(
      'SELECT business, no, time_ms FROM business_events WHERE business = ? ORDER BY no LIMIT ?',
      [business ?? '', retentionRowsMax - old.length],
    );
    const young = rows.findIndex((row) => Number(row['time_ms']) >= before);
    old.push(...(young < 0 ? rows : rows.slice(0, young)));
  }
  return old;
}

function values(...columns: readonly string[]): (row: Row) => SqlValue[] {
  return (row) => columns.map((column) => row[column] ?? null);
}
