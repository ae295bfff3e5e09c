/**
 * Puts the effects of a batch of events into a transaction: reads how far each message got,
 * decides in memory, writes each table once. Runs behind the fence of the event bucket, so a
 * business's entries have one writer at a time and their numbers are dense.
 */
import type { EventFrame, MessageStateEvent } from '@chappe/proto/internal/events';
import type { SqlValue, Transaction } from '@chappe/store/store';
import { book, messageOf, type BookingState, type Charge, type Effect } from './book.ts';
import { messagesPerQuery } from './limits.ts';

const bookings = {
  name: 'bookings',
  key: ['business', 'message_id'],
  columns: ['business', 'message_id', 'state', 'micros', 'time_ms'],
};

const ledger = {
  name: 'ledger',
  key: ['business', 'no'],
  columns: [
    'business',
    'no',
    'message_id',
    'time_ms',
    'country',
    'category',
    'window_open',
    'micros',
    'currency',
    'price_book',
  ],
};

interface Seen {
  readonly message: MessageStateEvent;
  readonly timeMs: number;
}

/** The effects, for counting once the transaction is committed. */
export async function bookEvents(tx: Transaction, frames: readonly EventFrame[]): Promise<readonly Effect[]> {
  const byBusiness = new Map<string, Seen[]>();
  for (const event of frames.flatMap(({ events }) => events)) {
    const message = messageOf(event);
    if (message === undefined) continue;
    const seen = byBusiness.get(event.business) ?? [];
    seen.push({ message, timeMs: Number(event.timeMs) });
    byBusiness.set(event.business, seen);
  }
  const effects: Effect[] = [];
  // In the order of the keys, as every writer takes its rows.
  for (const [business, seen] of [...byBusiness].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    effects.push(...(await bookBusiness(tx, business, seen)));
  }
  return effects;
}

async function bookBusiness(tx: Transaction, business: string, seen: readonly Seen[]): Promise<readonly Effect[]> {
  const ids = [...new Set(seen.map(({ message }) => message.messageId))].toSorted();
  const states = await readStates(tx, business, ids);
  const changed = new Map<string, SqlValue[]>();
  const charges: Charge[] = [];
  const effects = seen.map(({ message, timeMs }) => {
    const { messageId } = message;
    const effect = book(states.get(messageId), message, timeMs);
    if (effect.kind === 'nothing') return effect;
    const [state, micros] = stateAfter(effect);
    if (effect.kind === 'settle') charges.push(effect.charge);
    states.set(messageId, state);
    changed.set(messageId, [business, messageId, state, micros, timeMs]);
    return effect;
  });
  const rows = ids.flatMap((id) => {
    const row = changed.get(id);
    return row === undefined ? [] : [row];
  });
  if (rows.length > 0) await tx.insert(bookings, rows, 'replace');
  if (charges.length > 0) await appendEntries(tx, business, charges);
  return effects;
}

/** What the row holds afterwards; a released reservation holds nothing. */
function stateAfter(effect: Exclude<Effect, { kind: 'nothing' }>): [BookingState, number] {
  switch (effect.kind) {
    case 'reserve':
      return ['reserved', effect.micros];
    case 'settle':
      return ['settled', effect.charge.micros];
    case 'release':
      return ['released', 0];
  }
}

async function readStates(
  tx: Transaction,
  business: string,
  ids: readonly string[],
): Promise<Map<string, BookingState>> {
  const states = new Map<string, BookingState>();
  for (let from = 0; from < ids.length; from += messagesPerQuery) {
    const some = ids.slice(from, from + messagesPerQuery);
    const marks = some.map(() => '?').join(', ');
    const rows = await tx.query(
      `SELECT message_id, state FROM bookings WHERE business = ? AND message_id IN (${marks})`,
      [business, ...some],
    );
    for (const row of rows) states.set(String(row['message_id']), toState(row['state']));
  }
  return states;
}

async function appendEntries(tx: Transaction, business: string, charges: readonly Charge[]): Promise<void> {
  const [last] = await tx.query('SELECT MAX(no) AS no FROM ledger WHERE business = ?', [business]);
  const lastNo = Number(last?.['no'] ?? 0);
  const rows = charges.map((charge, index) => [
    business,
    lastNo + 1 + index,
    charge.messageId,
    charge.timeMs,
    charge.country,
    charge.category,
    charge.windowOpen ? 1 : 0,
    charge.micros,
    charge.currency,
    charge.priceBook,
  ]);
  await tx.insert(ledger, rows, 'fail');
}

function toState(value: SqlValue | undefined): BookingState {
  if (value === 'reserved' || value === 'settled' || value === 'released') return value;
  throw new Error('a booking has a state that is not known');
}
