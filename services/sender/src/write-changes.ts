/** Writes what `Changes` gathered, table by table and in primary-key order, inside one transaction. */
import { inInterval } from '@chappe/numbers/phone-number';
import type { SqlValue, Transaction } from '@chappe/store/store';
import type { Changes } from './changes.ts';
import type { OutboxFrame } from './event-writer.ts';
import type { Message } from './state.ts';
import {
  baseKeysTable,
  contactsTable,
  envelopesTable,
  heldRecordsTable,
  mailboxesTable,
  messagesTable,
  outboxTable,
  relationsTable,
  repliesTable,
  sessionsTable,
} from './tables.ts';

type Rows = (readonly SqlValue[])[];

export interface PreparedRows {
  readonly contacts: Rows;
  readonly relations: Rows;
  readonly sessions: Rows;
  readonly baseKeys: Rows;
  readonly messages: Rows;
  readonly envelopes: Rows;
  readonly mailboxes: Rows;
  readonly removedEnvelopes: Rows;
  readonly settledEnvelopes: Rows;
  readonly removedDevices: Rows;
  readonly outbox: Rows;
  readonly heldRecords: Rows;
  readonly replies: Rows;
}

/**
 * Makes all rows ready before BEGIN.
 *
 * @throws Error if a contact lies outside the range: the whole transaction is refused
 */
export function prepareRows(
  changes: Changes,
  range: { readonly id: string; readonly start: string; readonly end: string },
  frames: readonly OutboxFrame[],
): PreparedRows {
  for (const { number } of changes.touched) {
    if (!inInterval(number, range.start, range.end)) throw new Error(`a contact lies outside of range ${range.id}`);
  }
  return {
    contacts: sorted([...changes.contacts].map((state) => [state.number, JSON.stringify(state.contact)])),
    relations: sorted([...changes.relations.values()]),
    sessions: sorted([...changes.sessions.values()]),
    baseKeys: sorted(changes.baseKeys),
    messages: sorted([...changes.messages.values()].map(({ state, message }) => messageRow(state.number, message))),
    envelopes: sorted(
      changes.envelopes.map((envelope) => [
        envelope.contact,
        envelope.device,
        envelope.envelopeNo,
        envelope.messageId,
        envelope.number,
        envelope.sessionNo,
        envelope.type,
        envelope.ciphertext,
      ]),
    ),
    mailboxes: sorted(
      [...changes.mailboxes.values()].flatMap(({ state, device }) => {
        const mailbox = state.mailboxes.get(device);
        if (mailbox === undefined) return [];
        const { incarnation, acknowledgedNo, pushedNo, attached } = mailbox;
        return [[state.number, device, incarnation, acknowledgedNo, pushedNo, attached ? 1 : 0]];
      }),
    ),
    removedEnvelopes: sorted(changes.removedEnvelopes),
    settledEnvelopes: sorted(changes.settledEnvelopes),
    removedDevices: changes.removedDevices.map((row) => [...row]),
    outbox: frames.map(({ eventNo, bucket, frame }) => [range.id, eventNo, bucket, frame]),
    heldRecords: sorted(changes.heldRecords),
    replies: sorted(changes.replies),
  };
}

/** In this order, and without waiting in between: they travel together. */
export async function writeRows(tx: Transaction, rows: PreparedRows): Promise<void> {
  const ofRemovedDevices = ['sessions', 'envelopes', 'mailboxes'].map((table) =>
    tx.runMany(`DELETE FROM ${table} WHERE contact = ? AND device = ?`, rows.removedDevices),
  );
  await Promise.all([
    ...ofRemovedDevices,
    tx.insert(contactsTable, rows.contacts, 'replace'),
    tx.insert(relationsTable, rows.relations, 'replace'),
    tx.insert(sessionsTable, rows.sessions, 'replace'),
    tx.insert(baseKeysTable, rows.baseKeys, 'fail'),
    tx.insert(messagesTable, rows.messages, 'replace'),
    tx.runMany(
      'UPDATE envelopes SET ciphertext = NULL WHERE contact = ? AND device = ? AND envelope_no = ?',
      rows.removedEnvelopes,
    ),
    tx.runMany('DELETE FROM envelopes WHERE contact = ? AND device = ? AND envelope_no <= ?', rows.settledEnvelopes),
    tx.insert(envelopesTable, rows.envelopes, 'fail'),
    tx.insert(mailboxesTable, rows.mailboxes, 'replace'),
    tx.insert(outboxTable, rows.outbox, 'fail'),
    tx.insert(heldRecordsTable, rows.heldRecords, 'ignore'),
    tx.insert(repliesTable, rows.replies, 'fail'),
  ]);
}

/**
 * Deletes the frames above `from` up to `to`, one by one: a scan looks at the row behind the last, which may be
 * another range's and locked.
 */
export async function deletePublished(tx: Transaction, rangeId: string, from: number, to: number): Promise<void> {
  const eventNos = Array.from({ length: to - from }, (_, index) => from + 1 + index);
  await tx.runMany(
    'DELETE FROM outbox WHERE range_id = ? AND event_no = ?',
    eventNos.map((eventNo) => [rangeId, eventNo]),
  );
}

/** Deletes messages that ended, and replies, whose ids nobody can repeat any more. */
export async function forgetIds(
  tx: Transaction,
  range: { readonly start: string; readonly end: string },
  beforeMs: number,
): Promise<void> {
  const old = [range.start, range.end, beforeMs];
  await Promise.all([
    tx.run(
      `DELETE FROM messages WHERE contact >= ? AND contact < ? AND accepted_ms < ?
         AND state NOT IN ('accepted', 'sent')`,
      old,
    ),
    tx.run('DELETE FROM replies WHERE contact >= ? AND contact < ? AND received_ms < ?', old),
  ]);
}

function messageRow(contact: string, message: Message): SqlValue[] {
  const { price } = message;
  return [
    message.messageId,
    contact,
    message.business,
    message.number,
    message.laneNo,
    message.state,
    message.held,
    message.tries,
    message.identityPolicy,
    message.echo,
    price.country,
    price.category,
    price.windowOpen ? 1 : 0,
    price.micros,
    price.currency,
    price.priceBook,
    message.acceptedMs,
    message.expiresMs,
    message.sealedBody ?? null,
  ];
}

/** In primary-key order: the first columns are the key. Rows of two workers never wait in a circle. */
function sorted(rows: Rows): Rows {
  return rows.toSorted((a, b) => {
    for (const [index, value] of a.entries()) {
      const other = b[index];
      if (value === other || typeof value !== typeof other) continue;
      if (typeof value === 'object' || typeof other === 'object') break;
      return (value ?? '') < (other ?? '') ? -1 : 1;
    }
    return 0;
  });
}
