/** Bounds of billing. */

/** Entries in one answer when the caller names no number, and at most: 1,000 of about 120 bytes are 120 kB. */
export const entriesDefault = 100;
export const entriesMax = 1_000;

/** Parameters of one statement that looks messages up: below the 32,766 of SQLite, and one page of rows. */
export const messagesPerQuery = 500;

const dayMs = 24 * 60 * 60 * 1000;

/**
 * How long an ended booking is remembered: event ids may repeat for 30 days (docs/protocols.md,
 * section 9), and five more cover a consumer that stood still. The ledger itself is kept for ever.
 */
export const endedBookingsKeptMs = 35 * dayMs;

/**
 * The ledger may be this late: at 1,500 messages a second a transaction then books 150 instead of a
 * few, and the disk is flushed ten times a second for each bucket at most.
 */
export const gatherMs = 100;

/** Old bookings are removed in slices, so that no transaction keeps others waiting. */
export const purgeSliceRows = 1_000;
export const purgeEveryMs = 10 * 60 * 1000;
