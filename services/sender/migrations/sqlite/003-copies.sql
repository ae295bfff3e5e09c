-- How far the rows of a range have come from another store. Writer: sender, through the fence of range_progress.
CREATE TABLE range_copies (
  range_id TEXT NOT NULL PRIMARY KEY,
  -- The fence rows that they come from, as they were: rows of another time do not go together with these.
  source_mark TEXT NOT NULL,
  -- The table, and the key of its last row that is here.
  table_name TEXT NOT NULL,
  after_key TEXT NOT NULL,
  copied_rows INTEGER NOT NULL
) WITHOUT ROWID;
