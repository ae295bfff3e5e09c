-- All state per contact. Writer of every table here: sender, through the fence of range_progress.

-- One row for each range: the fence. A transaction counts only if it matched this row.
CREATE TABLE IF NOT EXISTS range_progress (
  range_id VARCHAR(64) NOT NULL PRIMARY KEY,
  start_bound VARCHAR(32) NOT NULL,
  end_bound VARCHAR(32) NOT NULL,
  epoch BIGINT NOT NULL,
  instance VARCHAR(64) NOT NULL,
  incarnation BIGINT NOT NULL,
  next_offset BIGINT NOT NULL,
  -- Records behind next_offset that are done, a bit for each; empty where there are none.
  done_beyond BLOB NOT NULL,
  commit_no BIGINT NOT NULL,
  event_no BIGINT NOT NULL,
  published_no BIGINT NOT NULL,
  last_offset BIGINT NOT NULL,
  last_id MEDIUMTEXT NOT NULL,
  last_time_ms BIGINT NOT NULL,
  floor_time_ms BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL,
  -- The connection of the transaction that wrote the row last, or is about to: a claim that waits ends it.
  holder BIGINT NOT NULL DEFAULT 0
) ENGINE = InnoDB;

-- A person: the devices in log order, and counters.
CREATE TABLE IF NOT EXISTS contacts (
  contact VARCHAR(32) NOT NULL PRIMARY KEY,
  state MEDIUMTEXT NOT NULL
) ENGINE = InnoDB;

-- What stands between a person and a business: opt-in, block, windows, caps.
CREATE TABLE IF NOT EXISTS relations (
  contact VARCHAR(32) NOT NULL,
  business VARCHAR(64) NOT NULL,
  state MEDIUMTEXT NOT NULL,
  PRIMARY KEY (contact, business)
) ENGINE = InnoDB;

-- Sealed sessions between a business number and a device.
CREATE TABLE IF NOT EXISTS sessions (
  contact VARCHAR(32) NOT NULL,
  number VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  session_no BIGINT NOT NULL,
  version BIGINT NOT NULL,
  incarnation BIGINT NOT NULL,
  acknowledged INT NOT NULL,
  started_ms BIGINT NOT NULL,
  base_key VARCHAR(191) NOT NULL,
  sealed MEDIUMBLOB NOT NULL,
  PRIMARY KEY (contact, number, device)
) ENGINE = InnoDB;

-- Base keys of sessions that devices started: each is used once.
CREATE TABLE IF NOT EXISTS base_keys (
  contact VARCHAR(32) NOT NULL,
  number VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  base_key VARCHAR(191) NOT NULL,
  PRIMARY KEY (contact, number, device, base_key)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS messages (
  message_id VARCHAR(64) NOT NULL PRIMARY KEY,
  contact VARCHAR(32) NOT NULL,
  business VARCHAR(64) NOT NULL,
  number VARCHAR(32) NOT NULL,
  lane_no BIGINT NOT NULL,
  state VARCHAR(16) NOT NULL,
  held VARCHAR(32) NOT NULL,
  tries INT NOT NULL,
  identity_policy VARCHAR(16) NOT NULL,
  echo VARCHAR(1024) NOT NULL,
  country VARCHAR(8) NOT NULL,
  category VARCHAR(32) NOT NULL,
  window_open INT NOT NULL,
  micros BIGINT NOT NULL,
  currency VARCHAR(8) NOT NULL,
  price_book VARCHAR(191) NOT NULL,
  accepted_ms BIGINT NOT NULL,
  expires_ms BIGINT NOT NULL,
  sealed_body MEDIUMBLOB,
  -- Finds what expires and what is held, of one contact or of a range.
  KEY messages_waiting (contact, state, lane_no)
) ENGINE = InnoDB;

-- What waits for a device. A row without ciphertext is a removed envelope.
CREATE TABLE IF NOT EXISTS envelopes (
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  envelope_no BIGINT NOT NULL,
  message_id VARCHAR(64) NOT NULL,
  number VARCHAR(32) NOT NULL,
  session_no BIGINT NOT NULL,
  type INT NOT NULL,
  ciphertext MEDIUMBLOB,
  PRIMARY KEY (contact, device, envelope_no)
) ENGINE = InnoDB;

-- How far a device is. Its last envelope number is the highest of `acknowledged_no` and envelopes.
CREATE TABLE IF NOT EXISTS mailboxes (
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  incarnation BIGINT NOT NULL,
  acknowledged_no BIGINT NOT NULL,
  pushed_no BIGINT NOT NULL,
  attached INT NOT NULL,
  PRIMARY KEY (contact, device)
) ENGINE = InnoDB;

-- Event frames in the order of their range, until they are published.
CREATE TABLE IF NOT EXISTS outbox (
  range_id VARCHAR(64) NOT NULL,
  event_no BIGINT NOT NULL,
  bucket INT NOT NULL,
  frame MEDIUMBLOB NOT NULL,
  PRIMARY KEY (range_id, event_no)
) ENGINE = InnoDB;

-- Commands that cannot be read, and those of the same contact behind them.
CREATE TABLE IF NOT EXISTS held_records (
  contact VARCHAR(255) NOT NULL,
  record_offset BIGINT NOT NULL,
  range_id VARCHAR(64) NOT NULL,
  kind MEDIUMTEXT NOT NULL,
  id MEDIUMTEXT NOT NULL,
  version BIGINT NOT NULL,
  append_time_ms BIGINT NOT NULL,
  reason VARCHAR(255) NOT NULL,
  value MEDIUMBLOB NOT NULL,
  PRIMARY KEY (contact, record_offset, range_id)
) ENGINE = InnoDB;
