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

/** How many events were written. */
export async function writeEvents(tx: Transaction, frames: readonly EventFrame[]): Promise<number> {
  const events = frames.flatMap((frame) => frame.events);
  // In the order of the key, so that two gateways never wait for each other.
  for (const [business, ofBusiness] of [...Map.groupBy(events, (event) => event.business)].toSorted(byKey)) {
    await writeOfBusiness(tx, business, ofBusiness);
  }
  return events.length;
}

async function writeOfBusiness(tx: Transaction, business: string, events: readonly BusinessEvent[]): Promise<void> {
  const counters = await tx.queryForUpdate('SELECT last_no FROM business_event_counters WHERE business = ?', [
    business,
  ]);
  const last = Number(counters[0]?.['last_no'] ?? 0);
  const rows = events.map((event, index) => [
    business,
    last + 1 + index,
    event.id,
    messageIdOf(event),
    event.contact,
    Number(event.timeMs),
    encodeMessage(BusinessEventSchema, event),
  ]);
  await tx.insert(eventsTable, rows, 'fail');
  await tx.insert(countersTable, [[business, last + events.length]], 'replace');
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

/** The events of one message, oldest first; none if it is another business's. */
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
  return rows.map(storedEvent);
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
