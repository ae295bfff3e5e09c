-- Written by the gateway only. Times are milliseconds since 1970.

CREATE TABLE businesses (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  -- 32 random bytes: what cursors and message ids of this business are marked with.
  secret BLOB NOT NULL,
  default_language TEXT NOT NULL,
  template_only_after_window INTEGER NOT NULL,
  -- hold, resend, fail
  identity_policy TEXT NOT NULL,
  cap_count INTEGER NOT NULL,
  cap_period_ms INTEGER NOT NULL,
  pair_burst INTEGER NOT NULL,
  pair_interval_ms INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL
) WITHOUT ROWID;

-- `announced` is 1 once the number has its identity in crypto and its entry in the directory.
CREATE TABLE business_numbers (
  number TEXT NOT NULL PRIMARY KEY,
  business TEXT NOT NULL,
  position INTEGER NOT NULL,
  announced INTEGER NOT NULL,
  UNIQUE (business, position)
) WITHOUT ROWID;

-- Keys are 256 random bits, so that a plain SHA-256 of them tells nothing.
CREATE TABLE api_keys (
  digest BLOB NOT NULL PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  business TEXT NOT NULL,
  hint TEXT NOT NULL,
  label TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  revoked_at_ms INTEGER
) WITHOUT ROWID;

CREATE INDEX api_keys_by_business ON api_keys (business);

-- `template` is a chappe.v1.Template.
CREATE TABLE templates (
  business TEXT NOT NULL,
  name TEXT NOT NULL,
  language TEXT NOT NULL,
  template BLOB NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (business, name, language)
) WITHOUT ROWID;

-- Kept 30 days. `digest` is an HMAC over sender, contact and content, under a key
-- made from the business's data key of `digest_day`, which no database holds open.
CREATE TABLE request_keys (
  business TEXT NOT NULL,
  request_key TEXT NOT NULL,
  message_id TEXT NOT NULL,
  digest BLOB NOT NULL,
  digest_day INTEGER NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (business, request_key)
) WITHOUT ROWID;

CREATE INDEX request_keys_by_time ON request_keys (created_at_ms);

-- What a business sees, in its own dense order. `payload` is a chappe.internal.v1.BusinessEvent.
-- Kept 30 days.
CREATE TABLE business_events (
  business TEXT NOT NULL,
  no INTEGER NOT NULL,
  id TEXT NOT NULL,
  -- '' where the event is about no message.
  message_id TEXT NOT NULL,
  contact TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  payload BLOB NOT NULL,
  PRIMARY KEY (business, no)
) WITHOUT ROWID;

CREATE INDEX business_events_by_message ON business_events (message_id);

-- The highest `no` of each business.
CREATE TABLE business_event_counters (
  business TEXT NOT NULL PRIMARY KEY,
  last_no INTEGER NOT NULL
) WITHOUT ROWID;
