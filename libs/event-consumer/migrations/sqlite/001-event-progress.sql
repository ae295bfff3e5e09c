-- How far each consumer of event topics got. A consumer writes its own rows only (`gateway`,
-- `billing`); the row is its fence: work counts only under the epoch and instance that it names.
-- Several services share the table, so that any of them may make it.

CREATE TABLE IF NOT EXISTS event_progress (
  consumer TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  instance TEXT NOT NULL,
  next_offset INTEGER NOT NULL,
  -- The record before `next_offset`; -1 and '': none was done.
  last_offset INTEGER NOT NULL,
  last_id TEXT NOT NULL,
  PRIMARY KEY (consumer, bucket)
) STRICT, WITHOUT ROWID;

-- The last frame of each range that a consumer has done, by which repeated frames are known: after
-- a takeover a range publishes again what it is not sure of, under the same numbers.
CREATE TABLE IF NOT EXISTS event_frames (
  consumer TEXT NOT NULL,
  bucket INTEGER NOT NULL,
  range_id TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  event_no INTEGER NOT NULL,
  PRIMARY KEY (consumer, bucket, range_id)
) STRICT, WITHOUT ROWID;
