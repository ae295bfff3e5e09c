-- Devices, their public prekeys and the codes that prove a number. Written by the relay only.

CREATE TABLE relay_registration_codes (
  contact TEXT NOT NULL,
  salt BLOB NOT NULL,
  -- SHA-256 of salt and code. A new code replaces the former one.
  digest BLOB NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  tries_left INTEGER NOT NULL,
  -- The hour in which `sent` codes were sent.
  window_started_at_ms INTEGER NOT NULL,
  sent INTEGER NOT NULL,
  PRIMARY KEY (contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_link_codes (
  contact TEXT NOT NULL,
  digest BLOB NOT NULL,
  expires_at_ms INTEGER NOT NULL,
  PRIMARY KEY (contact)
) STRICT, WITHOUT ROWID;

CREATE TABLE relay_devices (
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  -- `pending` until the contact's log has the registration, `active`, `removed`.
  state TEXT NOT NULL,
  -- SHA-256; a removed device keeps only its number, so that it is not used again soon.
  credential_digest BLOB,
  -- The version in relay_device_keys that is current.
  keys_version INTEGER NOT NULL,
  registered_at_ms INTEGER NOT NULL,
  removed_at_ms INTEGER,
  PRIMARY KEY (contact, device)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX relay_devices_by_credential ON relay_devices (credential_digest);

-- A device's PreKeyBundle without a one-time key. A replaced version stays while claims name it.
CREATE TABLE relay_device_keys (
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  version INTEGER NOT NULL,
  bundle BLOB NOT NULL,
  replaced_at_ms INTEGER,
  PRIMARY KEY (contact, device, version)
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_device_keys_by_replacement ON relay_device_keys (replaced_at_ms);

CREATE TABLE relay_one_time_pre_keys (
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  id INTEGER NOT NULL,
  public_key BLOB NOT NULL,
  PRIMARY KEY (contact, device, id)
) STRICT, WITHOUT ROWID;

-- Ids that were given out, so that a repeated upload does not bring their keys back.
CREATE TABLE relay_used_pre_keys (
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  id INTEGER NOT NULL,
  used_at_ms INTEGER NOT NULL,
  PRIMARY KEY (contact, device, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_used_pre_keys_by_time ON relay_used_pre_keys (used_at_ms);

CREATE TABLE relay_pre_key_claims (
  claim_id TEXT NOT NULL,
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  keys_version INTEGER NOT NULL,
  -- NULL: the one-time keys were used up.
  pre_key_id INTEGER,
  public_key BLOB,
  claimed_at_ms INTEGER NOT NULL,
  PRIMARY KEY (claim_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX relay_pre_key_claims_by_time ON relay_pre_key_claims (claimed_at_ms);
