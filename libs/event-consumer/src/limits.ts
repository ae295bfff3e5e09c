/** Bounds of reading event buckets. */

/** Frames in one transaction: each has events of one transaction of a range, a few hundred events in all. */
export const batchFramesMax = 500;

/** What one transaction decodes and holds; a frame is at most the log's 4 MiB. */
export const batchBytesMax = 4 * 1024 * 1024;

/** Failed work is repeated: at once for a moment's contention, calmly through an outage. */
export const backoffMinMs = 50;
export const backoffMaxMs = 2_000;

/** How often a bucket where nothing happens looks whether its row says what it committed. */
export const lookEveryMs = 2_000;

/** A dead instance's buckets are free after this; it renews three times within it. */
export const leaseTtlMs = 6_000;

/**
 * Frames that a consumer has done are deleted after so long. Consumers do not know each other: one
 * that is away for a month has lost what it did not read.
 */
export const framesKeptMs = 30 * 24 * 3_600_000;

/** How often that is looked at. */
export const deleteEveryMs = 3_600_000;
