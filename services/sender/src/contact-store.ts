/** Loads contacts from the store. Everything of a contact is keyed by its number. */
import { isMessageState } from '@chappe/message-state/message-state';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { Row, SqlValue, Store } from '@chappe/store/store';
import {
  emptyMailbox,
  firstCountOf,
  noContact,
  sessionKey,
  type Contact,
  type ContactState,
  type Held,
  type Message,
  type PendingEnvelope,
  type Relation,
} from './state.ts';

/** Contacts in one query: longer lists are split, so that few different statements exist. */
const listMax = 128;

/**
 * What is known of each; unknown contacts come back empty. A round trip for each `listMax` of them.
 *
 * A mailbox of an earlier incarnation counts anew, with the envelopes that it has: what was pushed under the lost
 * commits may have had their numbers.
 */
export async function loadContacts(
  store: Store,
  numbers: readonly PhoneNumber[],
  incarnation: number,
): Promise<ContactState[]> {
  const states: ContactState[] = [];
  for (let from = 0; from < numbers.length; from += listMax) {
    states.push(...(await loadSome(store, numbers.slice(from, from + listMax))));
  }
  const least = firstCountOf(incarnation);
  for (const { mailboxes } of states)
    for (const [device, mailbox] of mailboxes)
      if (mailbox.incarnation < least) mailboxes.set(device, { ...mailbox, incarnation: least });
  return states;
}

async function loadSome(store: Store, numbers: readonly PhoneNumber[]): Promise<ContactState[]> {
  const list = filledUp(numbers);
  const among = `IN (${list.map(() => '?').join(', ')})`;
  const rowsOf = await store.queryAll(
    [
      `SELECT contact, state FROM contacts WHERE contact ${among}`,
      `SELECT contact, business, state FROM relations WHERE contact ${among}`,
      `SELECT * FROM sessions WHERE contact ${among}`,
      `SELECT * FROM mailboxes WHERE contact ${among}`,
      `SELECT contact, device, envelope_no, message_id, number, session_no, ciphertext IS NULL AS removed
       FROM envelopes WHERE contact ${among} ORDER BY contact, device, envelope_no`,
      `SELECT * FROM messages WHERE state IN ('accepted', 'sent') AND contact ${among} ORDER BY contact, lane_no`,
      `SELECT contact, COUNT(*) AS held FROM held_records WHERE contact ${among} GROUP BY contact`,
    ].map((sql) => ({ sql, parameters: list })),
  );
  const states = new Map<string, ContactState>(numbers.map((number) => [number, emptyState(number)]));
  const takers = [takeContact, takeRelation, takeSession, takeMailbox, takeEnvelope, takeWaiting, takeHeld];
  for (const [index, take] of takers.entries()) {
    for (const row of rowsOf[index] ?? []) {
      const state = states.get(textOf(row, 'contact'));
      if (state !== undefined) take(state, row);
    }
  }
  return [...states.values()];
}

function takeContact(state: ContactState, row: Row): void {
  // Written by Changes from the same type.
  state.contact = JSON.parse(textOf(row, 'state')) as Contact;
}

function takeRelation(state: ContactState, row: Row): void {
  state.relations.set(textOf(row, 'business'), JSON.parse(textOf(row, 'state')) as Relation);
}

function takeSession(state: ContactState, row: Row): void {
  const [number, device] = [textOf(row, 'number'), numberOf(row, 'device')];
  state.sessions.set(sessionKey(number, device), {
    number,
    device,
    sessionNo: numberOf(row, 'session_no'),
    version: numberOf(row, 'version'),
    incarnation: numberOf(row, 'incarnation'),
    acknowledged: numberOf(row, 'acknowledged') === 1,
    startedMs: numberOf(row, 'started_ms'),
    baseKey: textOf(row, 'base_key'),
    sealed: bytesOf(row, 'sealed') ?? new Uint8Array(),
  });
}

function takeMailbox(state: ContactState, row: Row): void {
  state.mailboxes.set(numberOf(row, 'device'), {
    // Filled from the envelopes, which come behind.
    pending: [],
    incarnation: numberOf(row, 'incarnation'),
    acknowledgedNo: numberOf(row, 'acknowledged_no'),
    pushedNo: numberOf(row, 'pushed_no'),
    attached: numberOf(row, 'attached') === 1,
  });
}

function takeEnvelope(state: ContactState, row: Row): void {
  const device = numberOf(row, 'device');
  const mailbox = state.mailboxes.get(device) ?? { ...emptyMailbox, pending: [] };
  state.mailboxes.set(device, mailbox);
  // Made here and in nobody else's hands yet.
  (mailbox.pending as PendingEnvelope[]).push({
    envelopeNo: numberOf(row, 'envelope_no'),
    messageId: textOf(row, 'message_id'),
    number: textOf(row, 'number'),
    sessionNo: numberOf(row, 'session_no'),
    removed: numberOf(row, 'removed') === 1,
  });
}

function takeWaiting(state: ContactState, row: Row): void {
  const message = messageOf(row);
  state.waiting.set(message.messageId, message);
  state.laneNo = Math.max(state.laneNo, message.laneNo);
}

function takeHeld(state: ContactState, row: Row): void {
  state.heldRecords = numberOf(row, 'held');
}

/** Which of these message ids were decided before. */
export async function knownMessageIds(store: Store, ids: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  await queryIn(store, 'SELECT message_id FROM messages WHERE message_id IN', ids, (row) =>
    known.add(textOf(row, 'message_id')),
  );
  return known;
}

/** Which of these ids are of replies that were decrypted before, by `replyName`. */
export async function knownReplies(store: Store, ids: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  await queryIn(store, 'SELECT reply_id, contact, device FROM replies WHERE reply_id IN', ids, (row) =>
    known.add(replyName(textOf(row, 'contact'), numberOf(row, 'device'), textOf(row, 'reply_id'))),
  );
  return known;
}

/** The replies that wait in the lanes of these contacts, as `contact id`. */
export async function heldReplies(store: Store, contacts: readonly string[]): Promise<Set<string>> {
  const held = new Set<string>();
  const sql = "SELECT contact, id FROM held_records WHERE kind = 'inbound' AND contact IN";
  await queryIn(store, sql, contacts, (row) => held.add(`${textOf(row, 'contact')} ${textOf(row, 'id')}`));
  return held;
}

export function replyName(contact: string, device: number, replyId: string): string {
  return `${contact}/${device}/${replyId}`;
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

/** Runs `<sql> (?, ?, ...)` for all values, so many at a time. */
async function queryIn(store: Store, sql: string, values: readonly string[], read: (row: Row) => void): Promise<void> {
  for (let from = 0; from < values.length; from += listMax) {
    const list = filledUp(values.slice(from, from + listMax));
    const rows = await store.query(`${sql} (${list.map(() => '?').join(', ')})`, list);
    for (const row of rows) read(row);
  }
}

/** To a power of two with the last value, so that the driver's statement cache sees only eight forms of each query. */
function filledUp(values: readonly string[]): string[] {
  const length = 2 ** Math.ceil(Math.log2(Math.max(1, values.length)));
  return Array.from({ length }, (_, index) => values[index] ?? values.at(-1) ?? '');
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
