/**
 * `business_events`: what each business sees, in an order of its own (docs/protocols.md, 8.2).
 *
 * Invariant: `no` is dense per business, from 1, so a cursor counts no other business's traffic.
 * Repeated frames do not come this far: the event consumer drops them by their numbers.
 */
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { BusinessEventSchema, type BusinessEvent, type EventFrame } from '@chappe/proto/internal/events';
import type { Row, Store, Table, Transaction } from '@chappe/store/store';

export interface StoredEvent {
  readonly no: number;
  readonly event: BusinessEvent;
}

const eventsTable: Table = {
  name: 'business_events',
  key: ['business', 'no'],
  columns: ['business', 'no', 'id', 'message_id', 'contact', 'time_ms', 'payload'],
};
const countersTable: Table = { name: 'business_event_counters', key: ['business'], columns: ['business', 'last_no'] };

/** What was written, by business. */
export async function writeEvents(tx: Transaction, frames: readonly EventFrame[]): Promise<Map<string, StoredEvent[]>> {
  const events = frames.flatMap((frame) => frame.events);
  if (events.length === 0) return new Map();
  // In the order of the key, so that two gateways never wait for each other.
  const byBusiness = [...Map.groupBy(events, (event) => event.business)].toSorted(byKey);
  const businesses = byBusiness.map(([business]) => business);
  const counters = await tx.queryForUpdate(
    `SELECT business, last_no FROM business_event_counters
     WHERE business IN (${businesses.map(() => '?').join(', ')}) ORDER BY business`,
    businesses,
  );
  const lastNos = new Map(counters.map((row) => [String(row['business']), Number(row['last_no'])]));
  const written = new Map(
    byBusiness.map(([business, ofBusiness]) => {
      const lastNo = lastNos.get(business) ?? 0;
      return [business, ofBusiness.map((event, index) => ({ no: lastNo + 1 + index, event }))];
    }),
  );
  const rows = [...written.values()]
    .flat()
    .map(({ no, event }) => [
      event.business,
      no,
      event.id,
      messageIdOf(event),
      event.contact,
      Number(event.timeMs),
      encodeMessage(BusinessEventSchema, event),
    ]);
  const newCounters = [...written].map(([business, stored]) => [business, stored.at(-1)?.no ?? 0]);
  await Promise.all([tx.insert(eventsTable, rows, 'fail'), tx.insert(countersTable, newCounters, 'replace')]);
  return written;
}

/** The highest number; 0 before the first event. */
export async function lastEventNo(store: Store, business: string): Promise<number> {
  const [row] = await store.query('SELECT last_no FROM business_event_counters WHERE business = ?', [business]);
  return Number(row?.['last_no'] ?? 0);
}

export async function readEvents(store: Store, business: string, after: number, limit: number): Promise<StoredEvent[]> {
  const rows = await store.query(
    'SELECT no, payload FROM business_events WHERE business = ? AND no > ? ORDER BY no LIMIT ?',
    [business, after, limit],
  );
  return rows.map(storedEvent);
}

/**
 * The events of one message, oldest first; none if it is another business's. What was told again, after a database was
 * restored, is there once.
 */
export async function readTimeline(
  store: Store,
  business: string,
  messageId: string,
  limit: number,
): Promise<StoredEvent[]> {
  const rows = await store.query(
    'SELECT no, payload FROM business_events WHERE message_id = ? AND business = ? ORDER BY no LIMIT ?',
    [messageId, business, limit],
  );
  return [...Map.groupBy(rows.map(storedEvent), ({ event }) => event.id).values()].flatMap(([first]) => first ?? []);
}

function messageIdOf({ kind }: BusinessEvent): string {
  return kind.case === 'state' || kind.case === 'received' ? kind.value.messageId : '';
}

function storedEvent(row: Row): StoredEvent {
  const payload = row['payload'];
  if (!(payload instanceof Uint8Array)) throw new Error('an event without its payload');
  return { no: Number(row['no']), event: decodeMessage(BusinessEventSchema, payload) };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
