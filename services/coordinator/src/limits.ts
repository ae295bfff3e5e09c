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

/** Between two looks the loop rests as long as the first took, but no longer: a dead shard's ranges wait for it. */
export const lookRestMsMax = 250;

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

/** Between two looks at the copies of topics: one request for each 1,000 of them. */
export const redundancyLookMs = 5_000;

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

/** What comes in is averaged over so long before ranges are moved or split by it: a call of a campaign is over in a second. */
export const averageMs = 30_000;

/** Ranges are merged that were cold so long: the pause between two campaigns is no reason. */
export const peakMs = 3_600_000;

/** The highest averages are kept for so many parts of that time. */
export const peakSpans = 12;

/** Loads are noted at most so often, however many shards wake the coordinator. */
export const loadNoteMs = 500;

/**
 * What a range costs by itself, as commands a second: it is read, ticked, reported. A part in 150 of what a shard takes,
 * so that ranges without load are spread by their number, and 20 of them weigh an eighth of a busy shard.
 */
export const idleRangeCost = 10;

/** A range that takes half of a shard is split, whatever the others have. */
export const hotShare = 0.5;
/** So is one with a fourth, if no shard would have less on average: wherever it is, that shard has too much. */
export const hotterThanMeanShare = 0.25;
/** A fourth of the lower of those: what is merged must grow fourfold before it is split. */
export const coldShare = hotterThanMeanShare / 4;

/** Nothing is merged with fewer for each shard: with fewer a dead shard's load cannot be spread over the others. */
export const rangesPerShardMin = 4;
/** Planning was measured with so many. */
export const rangesMax = 10_000;

/** A moved range is silent for some 200 ms, so of all ranges, and of the load, a twentieth is at once: half of a cluster takes ten rounds of a second. */
export const movesShareMax = 0.05;
/** Further moves that a plan tells of. */
export const movesToldMax = 20;

/**
 * A shard that has a fifth more than another gives ranges, down to a tenth: what averages swing by stays below the gap.
 * Where all have little to do it must be a twentieth of what a shard takes. Without load it goes by the number of ranges alone.
 */
export const balanceMargins = {
  begin: { ofLoad: 0.2, ofCapacity: 0.05 },
  goOn: { ofLoad: 0.1, ofCapacity: 0.025 },
} as const;
/** After the last move so long counts as going on. */
export const balanceSettleMs = 10_000;
/** The part of a moved range's load by which the fullest must be relieved: it would have to lose as much before it came back. */
export const moveGainMin = 0.5;
/** Besides, a range that was moved for balance stays so long. */
export const moveRestMs = 600_000;

/** A range that was made by a reshape shows what it has in four averages before it is split again. */
export const splitRestMs = 120_000;
/** A split or merge that was taken back, as when a broker was away, is not decided on again for so long. */
export const refusedRestMs = 600_000;
/** Between two merges: nothing hurries. */
export const mergeGapMs = 60_000;
/** Reshapes that go on while another one is decided on: operators' always find a place among `reshapesAtOnceMax`. */
export const reshapesByLoadMax = 2;

/** Splits and merges are decided on so often, and the plan is written as often if it is another one. */
export const shapeLookMs = 5_000;
/** Actions and reasons of each kind in a written plan. */
export const planLinesMax = 50;
