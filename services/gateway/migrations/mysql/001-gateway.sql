-- Written by the gateway only. Times are milliseconds since 1970.

CREATE TABLE IF NOT EXISTS businesses (
  id VARCHAR(64) NOT NULL PRIMARY KEY,
  name VARCHAR(512) NOT NULL,
  -- 32 random bytes: what cursors and message ids of this business are marked with.
  secret VARBINARY(64) NOT NULL,
  default_language VARCHAR(32) NOT NULL,
  template_only_after_window INT NOT NULL,
  -- hold, resend, fail
  identity_policy VARCHAR(16) NOT NULL,
  cap_count BIGINT NOT NULL,
  cap_period_ms BIGINT NOT NULL,
  pair_burst BIGINT NOT NULL,
  pair_interval_ms BIGINT NOT NULL,
  created_at_ms BIGINT NOT NULL
) ENGINE = InnoDB;

-- `announced` is 1 once the number has its identity in crypto and its entry in the directory.
CREATE TABLE IF NOT EXISTS business_numbers (
  number VARCHAR(32) NOT NULL PRIMARY KEY,
  business VARCHAR(64) NOT NULL,
  position INT NOT NULL,
  announced INT NOT NULL,
  UNIQUE (business, position)
) ENGINE = InnoDB;

-- Keys are 256 random bits, so that a plain SHA-256 of them tells nothing.
CREATE TABLE IF NOT EXISTS api_keys (
  digest VARBINARY(32) NOT NULL PRIMARY KEY,
  id VARCHAR(64) NOT NULL UNIQUE,
  business VARCHAR(64) NOT NULL,
  hint VARCHAR(32) NOT NULL,
  label VARCHAR(255) NOT NULL,
  created_at_ms BIGINT NOT NULL,
  revoked_at_ms BIGINT,
  KEY api_keys_by_business (business)
) ENGINE = InnoDB;

-- `template` is a chappe.v1.Template.
CREATE TABLE IF NOT EXISTS templates (
  business VARCHAR(64) NOT NULL,
  name VARCHAR(512) NOT NULL,
  language VARCHAR(32) NOT NULL,
  template MEDIUMBLOB NOT NULL,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (business, name, language)
) ENGINE = InnoDB;

-- Kept 30 days. `digest` is an HMAC over sender, contact and content, under a key
-- made from the business's data key of `digest_day`, which no database holds open.
CREATE TABLE IF NOT EXISTS request_keys (
  business VARCHAR(64) NOT NULL,
  request_key VARCHAR(128) NOT NULL,
  message_id VARCHAR(64) NOT NULL,
  digest VARBINARY(32) NOT NULL,
  digest_day INTEGER NOT NULL,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (business, request_key),
  KEY request_keys_by_time (created_at_ms)
) ENGINE = InnoDB;

-- What a business sees, in its own dense order. `payload` is a chappe.internal.v1.BusinessEvent.
-- Kept 30 days.
CREATE TABLE IF NOT EXISTS business_events (
  business VARCHAR(64) NOT NULL,
  no BIGINT NOT NULL,
  id VARCHAR(64) NOT NULL,
  -- '' where the event is about no message.
  message_id VARCHAR(64) NOT NULL,
  contact VARCHAR(32) NOT NULL,
  time_ms BIGINT NOT NULL,
  payload MEDIUMBLOB NOT NULL,
  PRIMARY KEY (business, no),
  KEY business_events_by_message (message_id)
) ENGINE = InnoDB;

-- The highest `no` of each business.
CREATE TABLE IF NOT EXISTS business_event_counters (
  business VARCHAR(64) NOT NULL PRIMARY KEY,
  last_no BIGINT NOT NULL
) ENGINE = InnoDB;
