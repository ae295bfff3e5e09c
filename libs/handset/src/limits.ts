/** The bounds of a handset. */

/** One-time prekeys made at registration; the server asks for more when few are left. */
export const preKeysDefault = 100;

/** What one upload may hold (UploadPreKeysRequest). */
export const preKeysPerUploadMax = 200;

/** Kept one-time prekeys: those on the server, and uploads that may or may not have arrived. About 100 bytes each. */
export const preKeysKeptMax = 1_000;

/** A new signed and Kyber prekey each week; old ones are kept as long as a bundle with them may lie unused, and 15 days more. */
export const preKeyPeriodMs = 7 * 24 * 60 * 60 * 1000;
export const preKeyLifeMs = 45 * 24 * 60 * 60 * 1000;

/** A connection that held so long was good: the next attempt comes soon. */
export const connectionSettledMs = 5_000;

/** Message ids remembered against repeats: ten mailboxes of 1,000. */
export const seenKept = 10_000;

/** Messages kept to be looked at again. */
export const shownKeptDefault = 1_000;

/**
 * Replies that the business does not have yet, and blocks and session acknowledgements that the log has not
 * confirmed. At the limit the caller is refused.
 */
export const outboundMax = 256;

/**
 * A reply of which nothing was heard goes out again after so long, counted anew with each connection; doubles from
 * the first to the last. Usually a second is enough; a range that waits for a person's look may be without an
 * answer for days.
 */
export const replyRepeatFirstMs = 5_000;
export const replyRepeatLastMs = 3_600_000;

/** Then it is refused: the server knows the ids of what it received for 31 days. */
export const replyLifeMs = 30 * 24 * 3_600_000;

/** A reply is encrypted so often in all, then it is refused. */
export const replyAttemptsMax = 3;

/** Frames of the outbox on a connection and not answered: half of what a relay takes before it stops reading. */
export const outboundInFlightMax = 32;

/** Read receipts not known to have arrived; beyond it the oldest is forgotten. */
export const readsKept = 1_000;

/** Ids in one Read frame. */
export const readsPerFrameMax = 100;

/** As in free text of businesses. */
export const replyCharactersMax = 4_096;

/** Between attempts to connect: doubles from the first to the last, with jitter of one half. */
export const reconnectFirstMs = 100;
export const reconnectLastMs = 30_000;

/** How long one attempt waits for the server to answer. */
export const connectTimeoutMs = 5_000;
