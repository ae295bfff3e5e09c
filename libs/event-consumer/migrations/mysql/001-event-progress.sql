-- How far each consumer of event topics got. A consumer writes its own rows only (`gateway`,
-- `billing`); the row is its fence: work counts only under the epoch and instance that it names.
-- Several services share the table, so that any of them may make it.

CREATE TABLE IF NOT EXISTS event_progress (
  consumer VARCHAR(64) NOT NULL,
  bucket INT NOT NULL,
  epoch BIGINT NOT NULL,
  instance VARCHAR(64) NOT NULL,
  next_offset BIGINT NOT NULL,
  -- The record before `next_offset`; -1 and '': none was done.
  last_offset BIGINT NOT NULL,
  last_id VARCHAR(128) NOT NULL,
  PRIMARY KEY (consumer, bucket)
) ENGINE = InnoDB;

-- The last frame of each range that a consumer has done, by which repeated frames are known: after
-- a takeover a range publishes again what it is not sure of, under the same numbers.
CREATE TABLE IF NOT EXISTS event_frames (
  consumer VARCHAR(64) NOT NULL,
  bucket INT NOT NULL,
  range_id VARCHAR(64) NOT NULL,
  epoch BIGINT NOT NULL,
  event_no BIGINT NOT NULL,
  PRIMARY KEY (consumer, bucket, range_id)
) ENGINE = InnoDB;
