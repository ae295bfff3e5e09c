/**
 * `business_events`: what each business sees, in an order of its own (docs/protocols.md, 8.2).
 *
 * Invariants: `no` is dense per business, from 1; an event id is there once. So a cursor counts no
 * other business's traffic, and repeats of the topic change nothing.
 */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
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
const idsTable: Table = { name: 'business_event_ids', key: ['business', 'id'], columns: ['business', 'id', 'no'] };
const countersTable: Table = { name: 'business_event_counters', key: ['business'], columns: ['business', 'last_no'] };

/** Writes what is new. How many events were new, and how many repeats. */
export async function writeEvents(
  tx: Transaction,
  frames: readonly EventFrame[],
): Promise<{ written: number; repeats: number }> {
  const events = frames.flatMap((frame) => frame.events);
  let written = 0;
  // In the order of the key, so that two gateways never wait for each other.
  for (const [business, ofBusiness] of [...Map.groupBy(events, (event) => event.business)].toSorted(byKey)) {
    written += await writeOfBusiness(tx, business, [...new Map(ofBusiness.map((event) => [event.id, event])).values()]);
  }
  return { written, repeats: events.length - written };
}

async function writeOfBusiness(tx: Transaction, business: string, events: readonly BusinessEvent[]): Promise<number> {
  const counters = await tx.queryForUpdate('SELECT last_no FROM business_event_counters WHERE business = ?', [
    business,
  ]);
  const last = Number(counters[0]?.['last_no'] ?? 0);
  const fresh = await onlyNew(tx, business, events, last);
  if (fresh.length === 0) return 0;
  const rows = fresh.map((event, index) => [
    business,
    last + 1 + index,
    event.id,
    messageIdOf(event),
    event.contact,
    Number(event.timeMs),
    toBinary(BusinessEventSchema, event),
  ]);
  await tx.insert(eventsTable, rows, 'fail');
  await tx.insert(countersTable, [[business, last + fresh.length]], 'replace');
  return fresh.length;
}

/** Enters the ids under the numbers that the new events get; repeats are rare, so they pay. */
async function onlyNew(
  tx: Transaction,
  business: string,
  events: readonly BusinessEvent[],
  last: number,
): Promise<readonly BusinessEvent[]> {
  const enter = (list: readonly BusinessEvent[]): Promise<number> =>
    tx.insert(
      idsTable,
      list.map(({ id }, index) => [business, id, last + 1 + index]),
      'ignore',
    );
  if ((await enter(events)) === events.length) return events;
  const entered = await tx.query('SELECT id FROM business_event_ids WHERE business = ? AND no > ?', [business, last]);
  const isNew = new Set(entered.map((row) => row['id']));
  const fresh = events.filter(({ id }) => isNew.has(id));
  // Numbered as if the repeats had been there: again, without them.
  await tx.runMany(
    'DELETE FROM business_event_ids WHERE business = ? AND id = ?',
    fresh.map(({ id }) => [business, id]),
  );
  await enter(fresh);
  return fresh;
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
  return { no: Number(row['no']), event: fromBinary(BusinessEventSchema, payload) };
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}
