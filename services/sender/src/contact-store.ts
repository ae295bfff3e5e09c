/** Loads contacts from the store. Everything of a contact is keyed by its number. */
import { isMessageState } from '@chappe/message-state/message-state';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { Row, SqlValue, Store } from '@chappe/store/store';
import {
  emptyMailbox,
  noContact,
  sessionKey,
  type Contact,
  type ContactState,
  type Held,
  type Mailbox,
  type Message,
  type Relation,
} from './state.ts';

/** Contacts in one query: longer lists are split, so that few different statements exist. */
const listMax = 128;

/** What is known of each; unknown contacts come back empty. */
export async function loadContacts(store: Store, numbers: readonly PhoneNumber[]): Promise<ContactState[]> {
  const states = new Map<string, ContactState>(numbers.map((number) => [number, emptyState(number)]));
  const each = (sql: string, read: (state: ContactState, row: Row) => void): Promise<void> =>
    queryIn(store, sql, numbers, (row) => {
      const state = states.get(textOf(row, 'contact'));
      if (state !== undefined) read(state, row);
    });

  await each('SELECT contact, state FROM contacts WHERE contact IN', (state, row) => {
    // Written by Changes from the same type.
    state.contact = JSON.parse(textOf(row, 'state')) as Contact;
  });
  await each('SELECT contact, business, state FROM relations WHERE contact IN', (state, row) => {
    state.relations.set(textOf(row, 'business'), JSON.parse(textOf(row, 'state')) as Relation);
  });
  await each('SELECT * FROM sessions WHERE contact IN', (state, row) => {
    const [key, device] = [textOf(row, 'number'), numberOf(row, 'device')];
    state.sessions.set(sessionKey(key, device), {
      number: key,
      device,
      sessionNo: numberOf(row, 'session_no'),
      version: numberOf(row, 'version'),
      incarnation: numberOf(row, 'incarnation'),
      acknowledged: numberOf(row, 'acknowledged') === 1,
      startedMs: numberOf(row, 'started_ms'),
      baseKey: textOf(row, 'base_key'),
      sealed: bytesOf(row, 'sealed') ?? new Uint8Array(),
    });
  });
  await each('SELECT * FROM mailboxes WHERE contact IN', (state, row) => {
    state.mailboxes.set(numberOf(row, 'device'), {
      ...emptyMailbox,
      incarnation: numberOf(row, 'incarnation'),
      acknowledgedNo: numberOf(row, 'acknowledged_no'),
      pushedNo: numberOf(row, 'pushed_no'),
      attached: numberOf(row, 'attached') === 1,
    });
  });
  await loadPending(store, numbers, states);
  await queryIn(
    store,
    "SELECT * FROM messages WHERE state IN ('accepted', 'sent') AND contact IN",
    numbers,
    (row) => {
      const state = states.get(textOf(row, 'contact'));
      const message = messageOf(row);
      state?.waiting.set(message.messageId, message);
      if (state !== undefined) state.laneNo = Math.max(state.laneNo, message.laneNo);
    },
    ' ORDER BY contact, lane_no',
  );
  await queryIn(
    store,
    'SELECT contact, COUNT(*) AS held FROM held_records WHERE contact IN',
    numbers,
    (row) => {
      const state = states.get(textOf(row, 'contact'));
      if (state !== undefined) state.heldRecords = numberOf(row, 'held');
    },
    ' GROUP BY contact',
  );
  return [...states.values()];
}

async function loadPending(
  store: Store,
  numbers: readonly PhoneNumber[],
  states: Map<string, ContactState>,
): Promise<void> {
  const pending = new Map<ContactState, Map<number, Mailbox['pending'][number][]>>();
  await queryIn(
    store,
    `SELECT contact, device, envelope_no, message_id, number, session_no, ciphertext IS NULL AS removed
     FROM envelopes WHERE contact IN`,
    numbers,
    (row) => {
      const state = states.get(textOf(row, 'contact'));
      if (state === undefined) return;
      const devices = pending.get(state) ?? new Map<number, Mailbox['pending'][number][]>();
      pending.set(state, devices);
      const list = devices.get(numberOf(row, 'device')) ?? [];
      devices.set(numberOf(row, 'device'), list);
      list.push({
        envelopeNo: numberOf(row, 'envelope_no'),
        messageId: textOf(row, 'message_id'),
        number: textOf(row, 'number'),
        sessionNo: numberOf(row, 'session_no'),
        removed: numberOf(row, 'removed') === 1,
      });
    },
    ' ORDER BY contact, device, envelope_no',
  );
  for (const [state, devices] of pending) {
    for (const [device, list] of devices) {
      state.mailboxes.set(device, { ...(state.mailboxes.get(device) ?? emptyMailbox), pending: list });
    }
  }
}

/** Which of these message ids were decided before. */
export async function knownMessageIds(store: Store, ids: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  await queryIn(store, 'SELECT message_id FROM messages WHERE message_id IN', ids, (row) =>
    known.add(textOf(row, 'message_id')),
  );
  return known;
}

/** Messages by id, those that nobody waits for as well; with their contacts. */
export async function loadMessages(
  store: Store,
  ids: readonly string[],
): Promise<{ contact: string; message: Message }[]> {
  const messages: { contact: string; message: Message }[] = [];
  await queryIn(store, 'SELECT * FROM messages WHERE message_id IN', ids, (row) => {
    messages.push({ contact: textOf(row, 'contact'), message: messageOf(row) });
  });
  return messages;
}

/** Which of these base keys (`contact/number/device/key`) were used before. */
export async function knownBaseKeys(store: Store, contacts: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  await queryIn(store, 'SELECT contact, number, device, base_key FROM base_keys WHERE contact IN', contacts, (row) => {
    known.add(
      baseKeyName(textOf(row, 'contact'), textOf(row, 'number'), numberOf(row, 'device'), textOf(row, 'base_key')),
    );
  });
  return known;
}

export function baseKeyName(contact: string, number: string, device: number, baseKey: string): string {
  return `${contact}/${number}/${device}/${baseKey}`;
}

/**
 * Runs `<sql> (?, ?, ...)<after>` for all values. Lists are filled up to a power of two with their
 * last value, so that the driver's statement cache sees only eight forms of each query.
 */
async function queryIn(
  store: Store,
  sql: string,
  values: readonly string[],
  read: (row: Row) => void,
  after = '',
): Promise<void> {
  for (let from = 0; from < values.length; from += listMax) {
    const part: string[] = values.slice(from, from + listMax);
    const length = 2 ** Math.ceil(Math.log2(part.length));
    while (part.length < length) part.push(part.at(-1) ?? '');
    const rows = await store.query(`${sql} (${part.map(() => '?').join(', ')})${after}`, part);
    for (const row of rows) read(row);
  }
}

function emptyState(contact: PhoneNumber): ContactState {
  return {
    number: contact,
    contact: noContact,
    relations: new Map(),
    sessions: new Map(),
    mailboxes: new Map(),
    waiting: new Map(),
    laneNo: 0,
    heldRecords: 0,
  };
}

function messageOf(row: Row): Message {
  const state = textOf(row, 'state');
  if (!isMessageState(state)) throw new Error(`a message row has the unknown state ${state}`);
  return {
    messageId: textOf(row, 'message_id'),
    business: textOf(row, 'business'),
    number: textOf(row, 'number'),
    laneNo: numberOf(row, 'lane_no'),
    state,
    held: textOf(row, 'held') as Held,
    tries: numberOf(row, 'tries'),
    identityPolicy: textOf(row, 'identity_policy') as Message['identityPolicy'],
    echo: textOf(row, 'echo'),
    price: {
      country: textOf(row, 'country'),
      category: textOf(row, 'category'),
      windowOpen: numberOf(row, 'window_open') === 1,
      micros: numberOf(row, 'micros'),
      currency: textOf(row, 'currency'),
      priceBook: textOf(row, 'price_book'),
    },
    acceptedMs: numberOf(row, 'accepted_ms'),
    expiresMs: numberOf(row, 'expires_ms'),
    sealedBody: bytesOf(row, 'sealed_body'),
  };
}

function textOf(row: Row, column: string): string {
  const value: SqlValue | undefined = row[column];
  if (typeof value === 'string') return value;
  throw new Error(`column ${column} is not a text`);
}

function numberOf(row: Row, column: string): number {
  const value: SqlValue | undefined = row[column];
  if (typeof value === 'number') return value;
  throw new Error(`column ${column} is not a number`);
}

function bytesOf(row: Row, column: string): Uint8Array | undefined {
  const value = row[column];
  return value instanceof Uint8Array ? value : undefined;
}
