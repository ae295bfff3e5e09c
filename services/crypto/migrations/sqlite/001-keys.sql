-- Written by: crypto alone. No column holds an open key.

-- Keys of a day that seal sessions and private keys; wrapped under a key-encryption key.
CREATE TABLE sealing_keys (
  key_id  TEXT NOT NULL PRIMARY KEY,
  day     INTEGER NOT NULL,
  kek_id  TEXT NOT NULL,
  wrapped BLOB NOT NULL
);

-- Keys of a business and day that seal bodies; wrapped under a key-encryption key, destroyed by age.
CREATE TABLE data_keys (
  key_id  TEXT NOT NULL PRIMARY KEY,
  day     INTEGER NOT NULL,
  kek_id  TEXT NOT NULL,
  wrapped BLOB NOT NULL
);
CREATE INDEX data_keys_by_day ON data_keys (day);

-- The identity of a business number; the key pair is sealed under a sealing key.
CREATE TABLE number_identities (
  number          TEXT NOT NULL PRIMARY KEY,
  business        TEXT NOT NULL,
  registration_id INTEGER NOT NULL,
  public_key      BLOB NOT NULL,
  sealed_pair     BLOB NOT NULL,
  created_at_ms   INTEGER NOT NULL
);

-- Signed (`signed`) and last-resort Kyber (`kyber`) prekeys, one of each per number and week.
CREATE TABLE number_prekeys (
  number        TEXT NOT NULL,
  kind          TEXT NOT NULL,
  id            INTEGER NOT NULL,
  sealed_record BLOB NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (number, kind, id)
);
CREATE INDEX number_prekeys_by_age ON number_prekeys (created_at_ms);
