/** The tables of the sender's migrations as the store's bulk verbs want them. */
import type { Table } from '@chappe/store/store';

function table(name: string, key: readonly string[], rest: readonly string[]): Table {
  return { name, key, columns: [...key, ...rest] };
}

export const contactsTable = table('contacts', ['contact'], ['state']);

export const relationsTable = table('relations', ['contact', 'business'], ['state']);

export const sessionsTable = table(
  'sessions',
  ['contact', 'number', 'device'],
  ['session_no', 'version', 'incarnation', 'acknowledged', 'started_ms', 'base_key', 'sealed'],
);

export const baseKeysTable = table('base_keys', ['contact', 'number', 'device', 'base_key'], []);

export const messagesTable = table(
  'messages',
  ['message_id'],
  [
    'contact',
    'business',
    'number',
    'lane_no',
    'state',
    'held',
    'tries',
    'identity_policy',
    'echo',
    'country',
    'category',
    'window_open',
    'micros',
    'currency',
    'price_book',
    'accepted_ms',
    'expires_ms',
    'sealed_body',
  ],
);

export const envelopesTable = table(
  'envelopes',
  ['contact', 'device', 'envelope_no'],
  ['message_id', 'number', 'session_no', 'type', 'ciphertext'],
);

export const mailboxesTable = table(
  'mailboxes',
  ['contact', 'device'],
  ['incarnation', 'acknowledged_no', 'pushed_no', 'attached'],
);

export const outboxTable = table('outbox', ['range_id', 'event_no'], ['bucket', 'frame']);

export const repliesTable = table('replies', ['reply_id', 'contact', 'device'], ['received_ms']);

export const heldRecordsTable = table(
  'held_records',
  ['contact', 'record_offset', 'range_id'],
  ['kind', 'id', 'version', 'append_time_ms', 'reason', 'value'],
);

export const rangeProgressTable = table(
  'range_progress',
  ['range_id'],
  [
    'start_bound',
    'end_bound',
    'epoch',
    'instance',
    'incarnation',
    'next_offset',
    'done_beyond',
    'commit_no',
    'event_no',
    'published_no',
    'last_offset',
    'last_id',
    'last_time_ms',
    'floor_time_ms',
    'state',
  ],
);
