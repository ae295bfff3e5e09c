-- Devices, their public prekeys and the codes that prove a number. Written by the relay only.

CREATE TABLE IF NOT EXISTS relay_registration_codes (
  contact VARCHAR(32) NOT NULL,
  salt VARBINARY(64) NOT NULL,
  -- SHA-256 of salt and code. A new code replaces the former one.
  digest VARBINARY(32) NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  tries_left INT NOT NULL,
  -- The hour in which `sent` codes were sent.
  window_started_at_ms BIGINT NOT NULL,
  sent INT NOT NULL,
  PRIMARY KEY (contact)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS relay_link_codes (
  contact VARCHAR(32) NOT NULL,
  digest VARBINARY(32) NOT NULL,
  expires_at_ms BIGINT NOT NULL,
  PRIMARY KEY (contact)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS relay_devices (
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  -- `pending` until the contact's log has the registration, `active`, `removed`.
  state VARCHAR(16) NOT NULL,
  -- SHA-256; a removed device keeps only its number, so that it is not used again soon.
  credential_digest VARBINARY(32),
  -- The version in relay_device_keys that is current.
  keys_version BIGINT NOT NULL,
  registered_at_ms BIGINT NOT NULL,
  removed_at_ms BIGINT,
  PRIMARY KEY (contact, device),
  UNIQUE KEY relay_devices_by_credential (credential_digest)
) ENGINE = InnoDB;

-- A device's PreKeyBundle without a one-time key. A replaced version stays while claims name it.
CREATE TABLE IF NOT EXISTS relay_device_keys (
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  version BIGINT NOT NULL,
  bundle MEDIUMBLOB NOT NULL,
  replaced_at_ms BIGINT,
  PRIMARY KEY (contact, device, version),
  KEY relay_device_keys_by_replacement (replaced_at_ms)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS relay_one_time_pre_keys (
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  id BIGINT NOT NULL,
  public_key MEDIUMBLOB NOT NULL,
  PRIMARY KEY (contact, device, id)
) ENGINE = InnoDB;

-- Ids that were given out, so that a repeated upload does not bring their keys back.
CREATE TABLE IF NOT EXISTS relay_used_pre_keys (
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  id BIGINT NOT NULL,
  used_at_ms BIGINT NOT NULL,
  PRIMARY KEY (contact, device, id),
  KEY relay_used_pre_keys_by_time (used_at_ms)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS relay_pre_key_claims (
  claim_id VARCHAR(255) NOT NULL,
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  keys_version BIGINT NOT NULL,
  -- NULL: the one-time keys were used up.
  pre_key_id BIGINT,
  public_key MEDIUMBLOB,
  claimed_at_ms BIGINT NOT NULL,
  PRIMARY KEY (claim_id),
  KEY relay_pre_key_claims_by_time (claimed_at_ms)
) ENGINE = InnoDB;
