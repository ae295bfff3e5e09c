-- Reservations and the ledger. Written by billing only. Amounts are millionths of the currency's unit.

-- How far billing got with each message: `reserved` (accepted), `settled` (in the ledger),
-- `released` (ended without a delivery). Ended ones are kept as long as their events can repeat.
CREATE TABLE IF NOT EXISTS bookings (
  business VARCHAR(64) NOT NULL,
  message_id VARCHAR(64) NOT NULL,
  state VARCHAR(16) NOT NULL,
  micros BIGINT NOT NULL,
  time_ms BIGINT NOT NULL,
  PRIMARY KEY (business, message_id),
  KEY bookings_reserved (business, state, micros),
  KEY bookings_ended (time_ms, state)
) ENGINE = InnoDB;

-- Append-only: one entry for each message that was delivered, free ones with 0. `no` is dense in a
-- business, from 1. The price is as it was decided with `accepted`.
CREATE TABLE IF NOT EXISTS ledger (
  business VARCHAR(64) NOT NULL,
  no BIGINT NOT NULL,
  message_id VARCHAR(64) NOT NULL,
  time_ms BIGINT NOT NULL,
  country VARCHAR(8) NOT NULL,
  category VARCHAR(32) NOT NULL,
  window_open INT NOT NULL,
  micros BIGINT NOT NULL,
  currency VARCHAR(8) NOT NULL,
  price_book VARCHAR(191) NOT NULL,
  PRIMARY KEY (business, no),
  UNIQUE KEY ledger_by_message (business, message_id),
  -- Holds all that a statement sums.
  KEY ledger_by_time (business, time_ms, country, category, currency, micros)
) ENGINE = InnoDB;
