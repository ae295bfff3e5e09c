/** The bounds of coordination. */

/** Of one transaction, each of comparisons and operations: etcd's default `--max-txn-ops`. */
export const transactionItemsMax = 128;

export const leaseTtlMinMs = 1_000;

/** Revisions are reserved on disk in blocks, so that keys under leases cost no flush: 1 flush in 1,000 changes. */
export const revisionBlock = 1_000;
