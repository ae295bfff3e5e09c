-- Written by: crypto alone. No column holds an open key.

-- Keys of a day that seal sessions and private keys; wrapped under a key-encryption key.
CREATE TABLE IF NOT EXISTS sealing_keys (
  key_id VARCHAR(191) NOT NULL PRIMARY KEY,
  day BIGINT NOT NULL,
  kek_id VARCHAR(191) NOT NULL,
  wrapped MEDIUMBLOB NOT NULL
) ENGINE = InnoDB;

-- Keys of a business and day that seal bodies; wrapped under a key-encryption key, destroyed by age.
CREATE TABLE IF NOT EXISTS data_keys (
  key_id VARCHAR(191) NOT NULL PRIMARY KEY,
  day BIGINT NOT NULL,
  kek_id VARCHAR(191) NOT NULL,
  wrapped MEDIUMBLOB NOT NULL,
  KEY data_keys_by_day (day)
) ENGINE = InnoDB;

-- The identity of a business number; the key pair is sealed under a sealing key.
CREATE TABLE IF NOT EXISTS number_identities (
  number VARCHAR(32) NOT NULL PRIMARY KEY,
  business VARCHAR(64) NOT NULL,
  registration_id BIGINT NOT NULL,
  public_key MEDIUMBLOB NOT NULL,
  sealed_pair MEDIUMBLOB NOT NULL,
  created_at_ms BIGINT NOT NULL
) ENGINE = InnoDB;

-- Signed (`signed`) and last-resort Kyber (`kyber`) prekeys, one of each per number and week.
CREATE TABLE IF NOT EXISTS number_prekeys (
  number VARCHAR(32) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  id BIGINT NOT NULL,
  sealed_record MEDIUMBLOB NOT NULL,
  created_at_ms BIGINT NOT NULL,
  PRIMARY KEY (number, kind, id),
  KEY number_prekeys_by_age (created_at_ms)
) ENGINE = InnoDB;
