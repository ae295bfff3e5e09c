/** Bounds of what producers keep and how long they wait. */

/** Waits between reads of the table while coordination is away: quick at first, then calm. */
export const rereadBackoffMinMs = 100;
export const rereadBackoffMaxMs = 2_000;

/**
 * Reading what shards report takes this part of the time at most: of 500 one reports every other millisecond (`make scale`).
 * They report once a second, so to wait longer than that would only make it older.
 */
export const shardsReadShare = 1 / 20;
export const shardsRestMsMax = 1_000;

export interface AppenderLimits {
  /** At most this many records in one append: beyond about 500 the cost for each no longer falls. */
  readonly batchRecordsMax: number;
  /** A quarter of the 4 MiB that the log takes in one append. */
  readonly batchBytesMax: number;
  /** Ten appends of the largest size: what a range takes in about a second. */
  readonly queueRecordsMax: number;
  /** With 64 ranges a process holds at most 1 GiB in the very worst case; in practice one range is hot. */
  readonly queueBytesMax: number;
  /** How long an append is repeated before it and all behind it are refused: callers wait 10 s. */
  readonly unavailableMs: number;
  /** How long a sealed range's records wait for a newer table; a reshape takes tens of milliseconds. */
  readonly newerTableMs: number;
  /** The wait between repeats of one append. */
  readonly repeatMs: number;
  /** Appended and not yet done, beyond which nothing more is admitted: about a minute's work of a shard. */
  readonly lagRecordsMax: number;
  /** Shards report each second while they work: what is older says nothing of their lag. */
  readonly reportAgeMsMax: number;
}

export const appenderLimits: AppenderLimits = {
  batchRecordsMax: 1_000,
  batchBytesMax: 1024 * 1024,
  queueRecordsMax: 10_000,
  queueBytesMax: 16 * 1024 * 1024,
  unavailableMs: 5_000,
  newerTableMs: 5_000,
  repeatMs: 100,
  lagRecordsMax: 100_000,
  reportAgeMsMax: 15_000,
};

/** Three write a shard's drain, each now and then: the second try has it. */
export const drainTriesMax = 5;

/** A store that nobody has asked anything for so long is closed: ranges in use are looked at each minute. */
export const unusedStoreMs = 180_000;
