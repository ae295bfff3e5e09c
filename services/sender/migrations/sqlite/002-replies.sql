-- Replies that were decrypted, for as long as one may be repeated (31 days). Writer: sender, through the fence.
-- Devices choose the ids, so a row is one's own: nobody makes another's reply a repeat.
CREATE TABLE replies (
  reply_id TEXT NOT NULL,
  contact TEXT NOT NULL,
  device INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  PRIMARY KEY (reply_id, contact, device)
) WITHOUT ROWID;

-- Finds the old ones of a range.
CREATE INDEX replies_of_contacts ON replies (contact, received_ms);
