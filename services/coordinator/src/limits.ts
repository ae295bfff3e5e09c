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

/** Reshapes that go on at once; of these one at a time holds the appends of its ranges, for some 200 ms. */
export const reshapesAtOnceMax = 4;

/** The journal is cut back after so many new lines: it may be longer by these. */
export const journalTrimEvery = 100;
export const deletesPerTransaction = 100;

/** How often the leader measures the load. A backlog's age is known to this. */
export const loadLookMs = 5_000;

/** How many looks are remembered of each range: ten minutes, 2 kB a range. Older backlogs count as that old. */
export const loadSamplesMax = 120;

/** Arrivals are counted over this long: below it one large campaign call would look like a load. */
export const arrivalsWindowMs = 30_000;

/** Ranges whose log is asked for its end at a time. */
export const endsAtATime = 16;

/** A backlog below this age is what a turn has in hand, seen through reports that are a second old. */
export const backlogAgeMsMax = 15_000;

/** In so long an older backlog is to be worked off, beside what arrives: two minutes of a range that was without an owner. */
export const catchUpMs = 120_000;

/** More senders are wanted for so long before there are: starting one costs half a minute of its node. */
export const scaleUpWindowMs = 30_000;

/**
 * Fewer would have done for so long before there are, unless it is said: campaigns come in waves of minutes. No less than
 * arrivals are counted over, or an end of one call would look like the end of a load.
 */
export const quietSeconds = { least: arrivalsWindowMs / 1_000, usual: 300, most: 86_400 } as const;

/** Between two senders that go: what moved must show in the measurements of two windows of arrivals. */
export const scaleDownGapMs = 60_000;

/**
 * Fewer senders must be able to do their share below this part of the aim. A load at the edge between n and n + 1
 * must change by this fourth before it goes back, so its noise turns nothing.
 */
export const scaleDownSlack = 0.75;

/** When a zone is lost the others work at this part of their capacity. */
export const withoutAZoneShare = 0.95;

/** A shard that is behind and does less than this part of what it says it can waits for something else. */
export const measuredCapacityShareMin = 0.1;

/** What shards did when they were behind counts for so long; then it is tried again with what they say. */
export const measuredCapacityMs = 3_600_000;

/**
 * Ranges move in a second each: after so long, unless it is said, something keeps them, and the shard that was to go gets its
 * ranges back. No less than what a moment without the database takes.
 */
export const drainSeconds = { least: 20, usual: 300, most: 3_600 } as const;

/** A scale-down that was called off is tried again after so long. */
export const calledOffMs = 1_800_000;

/** A look at nodes and pods even when Kubernetes has told nothing: what shards and operators do changes its outcome as well. */
export const nodeLookIntervalMs = 2_000;

/** While a sender is about to go it is looked so often whether it is empty. */
export const scaleStepMs = 500;

/** One call of the API of Kubernetes. */
export const kubernetesCallMs = 10_000;
