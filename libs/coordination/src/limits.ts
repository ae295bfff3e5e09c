/** The bounds of coordination. */

/** Of one transaction, each of comparisons and operations: etcd's default `--max-txn-ops`. */
export const transactionItemsMax = 128;

export const leaseTtlMinMs = 1_000;

/** Revisions are reserved on disk in blocks, so that keys under leases cost no flush: 1 flush in 1,000 changes. */
export const revisionBlock = 1_000;

/**
 * How long one call to etcd may take. A member that is elected anew answers within its election
 * time-out of 1 s; a shard must hear of an outage before its lease of 5 s is over.
 */
export const etcdCallMs = 3_000;

/** One try of a call that may be repeated: a silent member leaves time for one of the others. */
export const etcdTryMs = 1_400;

/** Between two tries of one call, so that a refused connection is not asked in a circle. */
export const etcdRetryMs = 100;

/** A watch that hears nothing, not even the answer to its question, for so long begins anew at another member. */
export const etcdWatchSilenceMs = 2_000;

/** So many of those later its listener is called in any case, and reads by itself: each 10 s. */
export const etcdWatchLooks = 5;

/** Between two tries to watch: at most this long after an outage every watcher is called. */
export const etcdWatchRetryMaxMs = 2_000;

/** A lease is renewed three times in its life, so that one lost renewal loses nothing. */
export const renewalsPerTtl = 3;
