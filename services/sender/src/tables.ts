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

export const rangeCopiesTable = table(
  'range_copies',
  ['range_id'],
  ['source_mark', 'table_name', 'after_key', 'copied_rows'],
);

/** A table whose rows belong to contacts. */
export interface ContactTable {
  readonly table: Table;
  /** The order of an index, by contact first, that tells any two rows apart. */
  readonly order: readonly string[];
  /** Rows that are copied at a time: below 4 MiB of them as they usually are. */
  readonly pageRows: number;
}

function ofContacts({ pageRows, order, ...rest }: Partial<ContactTable> & Pick<ContactTable, 'table'>): ContactTable {
  return { ...rest, order: order ?? rest.table.key, pageRows: pageRows ?? 500 };
}

/** What moves with a contact to another store: every table of the migrations is here or among `rangeTables`. */
export const contactTables: readonly ContactTable[] = [
  ofContacts({ table: contactsTable }),
  ofContacts({ table: relationsTable }),
  ofContacts({ table: sessionsTable }),
  ofContacts({ table: baseKeysTable }),
  ofContacts({ table: messagesTable, order: ['contact', 'state', 'lane_no', 'message_id'] }),
  ofContacts({ table: envelopesTable }),
  ofContacts({ table: mailboxesTable }),
  // A command of 1 MB is held as well.
  ofContacts({ table: heldRecordsTable, pageRows: 8 }),
  ofContacts({ table: repliesTable, order: ['contact', 'received_ms', 'reply_id', 'device'] }),
];

/** What belongs to a range: it ends with it. */
export const rangeTables: readonly Table[] = [rangeProgressTable, outboxTable, rangeCopiesTable];
