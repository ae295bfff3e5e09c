/** The bounds of the log. */

/** Of one `Append`. A batch of 500 commands is 1 MB at most; 4 MiB stays under Kafka's usual frame. */
export const appendRecordsMax = 10_000;
export const appendBytesMax = 4 * 1024 * 1024;

/** Of one group commit: reached within one turn of the event loop, it is committed at once instead of growing. */
export const groupRecordsMax = 2 * appendRecordsMax;
export const groupBytesMax = 4 * appendBytesMax;

/** Records deleted in one transaction: about 2 ms, so that the event loop stays responsive. */
export const deletionSliceRecords = 500;

/** Topics whose prepared statements are kept: 4 ranges and 64 event buckets fit several times. */
export const preparedTopicsMax = 256;

/** Kafka's own rule for topic names, so that names fit every driver. */
export const topicPattern = /^[a-zA-Z0-9._-]{1,249}$/;

/** Of one look at topics' copies: an answer of some 100 kB. */
export const copiesTopicsMax = 1_000;
