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
