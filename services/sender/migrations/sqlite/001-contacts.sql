-- All state per contact. Writer of every table here: sender, through the fence of range_progress.
-- Tables with large values have a rowid: their rows grow to the right, only the small key index is
-- scattered over contacts (measured: a sixth of the page writes).

-- One row for each range: the fence. A transaction counts only if it matched this row.
CREATE TABLE range_progress (
  range_id TEXT NOT NULL PRIMARY KEY,
  start_bound TEXT NOT NULL,
  end_bound TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  instance TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  next_offset INTEGER NOT NULL,
  -- Records behind next_offset that are done, a bit for each; empty where there are none.
  done_beyond BLOB NOT NULL,
  commit_no INTEGER NOT NULL,
  event_no INTEGER NOT NULL,
  published_no INTEGER NOT NULL,
  last_offset INTEGER NOT NULL,
  last_id TEXT NOT NULL,
  last_time_ms INTEGER NOT NULL,
  floor_time_ms INTEGER NOT NULL,
  state TEXT NOT NULL,
  -- The connection of the transaction that wrote the row last; 0 here, where no other process can hold it.
  holder INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- A person: the devices in log order, and counters.
CREATE TABLE contacts (
  contact TEXT NOT NULL PRIMARY KEY,
  state TEXT NOT NULL
) WITHOUT ROWID;

-- What stands between a person and a business: opt-in, block, windows, caps.
CREATE TABLE relations (
  contact TEXT NOT NULL,
  business TEXT NOT NULL,
  state TEXT NOT NULL,
  PRIMARY KEY (contact, business)
) WITHOUT ROWID;

-- Sealed sessions between a business number and a device.
CREATE TABLE sessions (
  contact TEXT NOT NULL,
  number TEXT NOT NULL,
  device INTEGER NOT NULL,
  session_no INTEGER NOT NULL,
  version INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  acknowledged INTEGER NOT NULL,
  started_ms INTEGER NOT NULL,
  base_key TEXT NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (contact, number, device)
);

-- Base keys of sessions that devices started: each is used once.
CREATE TABLE base_keys (
  contact TEXT NOT NULL,
  number TEXT NOT NULL,
  device INTEGER NOT NULL,
  base_key TEXT NOT NULL,
  PRIMARY KEY (contact, number, device, base_key)
) WITHOUT ROWID;

CREATE TABLE messages (
  message_id TEXT NOT NULL PRIMARY KEY,
  contact TEXT NOT NULL,
  business TEXT NOT NULL,
  number TEXT NOT NULL,
  lane_no INTEGER NOT NULL,
  state TEXT NOT NULL,
  held TEXT NOT NULL,
  tries INTEGER NOT NULL,
  identity_policy TEXT NOT NULL,
  echo TEXT NOT NULL,
  country TEXT NOT NULL,
  category TEXT NOT NULL,
  window_open INTEGER NOT NULL,
  micros INTEGER NOT NULL,
  currency TEXT NOT NULL,
  price_book TEXT NOT NULL,
  accepted_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  sealed_body BLOB
);

-- Finds what expires and what is held, of one contact or of a range.
CREATE INDEX messages_waiting ON messages (contact, lane_no) WHERE state IN ('accepted', 'sent');

-- What waits for a device. A row without ciphertext is a removed envelope.
CREATE TABLE envelopes (
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  envelope_no INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  number TEXT NOT NULL,
  session_no INTEGER NOT NULL,
  type INTEGER NOT NULL,
  ciphertext BLOB,
  PRIMARY KEY (contact, device, envelope_no)
);

-- How far a device is. Its last envelope number is the highest of `acknowledged_no` and envelopes.
CREATE TABLE mailboxes (
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  incarnation INTEGER NOT NULL,
  acknowledged_no INTEGER NOT NULL,
  pushed_no INTEGER NOT NULL,
  attached INTEGER NOT NULL,
  PRIMARY KEY (contact, device)
) WITHOUT ROWID;

-- Event frames in the order of their range, until they are published.
CREATE TABLE outbox (
  range_id TEXT NOT NULL,
  event_no INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  frame BLOB NOT NULL,
  PRIMARY KEY (range_id, event_no)
);

-- Commands that cannot be read, and those of the same contact behind them.
CREATE TABLE held_records (
  contact TEXT NOT NULL,
  record_offset INTEGER NOT NULL,
  range_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  version INTEGER NOT NULL,
  append_time_ms INTEGER NOT NULL,
  reason TEXT NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (contact, record_offset, range_id)
);
