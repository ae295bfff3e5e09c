-- How far the rows of a range have come from another store. Writer: sender, through the fence of range_progress.
CREATE TABLE IF NOT EXISTS range_copies (
  range_id VARCHAR(64) NOT NULL PRIMARY KEY,
  -- The fence rows that they come from, as they were: rows of another time do not go together with these.
  source_mark MEDIUMTEXT NOT NULL,
  -- The table, and the key of its last row that is here.
  table_name VARCHAR(64) NOT NULL,
  after_key MEDIUMTEXT NOT NULL,
  copied_rows BIGINT NOT NULL
) ENGINE = InnoDB;
