-- Reservations and the ledger. Written by billing only. Amounts are millionths of the currency's unit.

-- How far billing got with each message: `reserved` (accepted), `settled` (in the ledger),
-- `released` (ended without a delivery). Ended ones are kept as long as their events can repeat.
CREATE TABLE IF NOT EXISTS bookings (
  business TEXT NOT NULL,
  message_id TEXT NOT NULL,
  state TEXT NOT NULL,
  micros INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  PRIMARY KEY (business, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bookings_reserved ON bookings (business, micros) WHERE state = 'reserved';
CREATE INDEX IF NOT EXISTS bookings_ended ON bookings (time_ms) WHERE state <> 'reserved';

-- Append-only: one entry for each message that was delivered, free ones with 0. `no` is dense in a
-- business, from 1. The price is as it was decided with `accepted`.
CREATE TABLE IF NOT EXISTS ledger (
  business TEXT NOT NULL,
  no INTEGER NOT NULL,
  message_id TEXT NOT NULL,
  time_ms INTEGER NOT NULL,
  country TEXT NOT NULL,
  category TEXT NOT NULL,
  window_open INTEGER NOT NULL,
  micros INTEGER NOT NULL,
  currency TEXT NOT NULL,
  price_book TEXT NOT NULL,
  PRIMARY KEY (business, no)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS ledger_by_message ON ledger (business, message_id);
-- Holds all that a statement sums.
CREATE INDEX IF NOT EXISTS ledger_by_time ON ledger (business, time_ms, country, category, currency, micros);
