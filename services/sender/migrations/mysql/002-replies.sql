-- Replies that were decrypted, for as long as one may be repeated (31 days). Writer: sender, through the fence.
-- Devices choose the ids, so a row is one's own: nobody makes another's reply a repeat.
CREATE TABLE IF NOT EXISTS replies (
  reply_id VARCHAR(64) NOT NULL,
  contact VARCHAR(32) NOT NULL,
  device INT NOT NULL,
  received_ms BIGINT NOT NULL,
  PRIMARY KEY (reply_id, contact, device),
  -- Finds the old ones of a range.
  KEY replies_of_contacts (contact, received_ms)
) ENGINE = InnoDB;
