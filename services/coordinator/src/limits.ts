/** The coordinator's limits. */

/** The life of the leases of the leader and of every shard; the sender's limits say why so long. */
export const leaseTtlMs = 3_000;

/** A look at everything even when no watch has called: watches may be lost with a connection. */
export const lookIntervalMs = 1_000;

/**
 * Longest time between two looks that still counts as reading without a break: a look that is a second late,
 * on a busy machine, is none. A longer one hides a pause of coordination or of this process, in which
 * no shard could renew its lease, and silence counts anew.
 */
export const lookGapMsMax = 2_000;

/** First and longest wait after a failed step. */
export const retryMs = { first: 50, longest: 2_000 } as const;

/** Assignments in one coordination transaction: each compares and puts one key, of 128 allowed. */
export const assignmentsPerTransaction = 60;

/** A broker works on new topics one by one; so many at a time, none of it waits for an answer on its way here. */
export const topicsAtATime = 4;

/** The topics of replaced ranges stay so long, as records that are done do: the margin for a restore of the store. */
export const restoreMarginMs = 24 * 3_600_000;

/** What became of a reshape that was refused or taken back can be read for so long. */
export const endedReshapeMs = 3_600_000;

/** Old topics are looked at so often for records beyond their seal, which nobody should be able to append. */
export const lateRecordsLookMs = 60_000;
/** Of those, so many at a time. */
export const lateRecordsMax = 1_000;

/** Reshapes that go on at once: each holds the appends of its ranges for some 100 ms. */
export const reshapesAtOnceMax = 4;

/** The journal is cut back after so many new lines: it may be longer by these. */
export const journalTrimEvery = 100;
export const deletesPerTransaction = 100;
