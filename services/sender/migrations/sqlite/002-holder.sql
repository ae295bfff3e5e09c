-- The connection of the transaction that wrote the row last; 0 here, where no other process can hold it.
ALTER TABLE range_progress ADD COLUMN holder BIGINT NOT NULL DEFAULT 0;
