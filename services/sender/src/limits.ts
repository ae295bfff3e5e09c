/** The sender's limits, each with its reason. */

/**
 * One batch of a range worker. A batch is cut when the first of these is reached.
 * 60 ms of crypto is some 500 messages. The larger a batch, the more of them share a session, its row, its frame
 * to the device and the commit: to 1,000 people a message took 3.5 ms of processors at 20 ms, 3.0 ms at 60 ms and
 * 2.9 ms at 150 ms, one after the other on one machine. Crypto keeps other ranges going meanwhile, in slices
 * of its own; a range that is not behind never has so much at once.
 */
export const batchCryptoMsMax = 60;
export const batchRecordsMax = 500;
export const batchBytesMax = 1024 * 1024;

/**
 * What a worker reads ahead of what is done, so that a business with a campaign keeps no other waiting: some 10 s of work. A takeover
 * reads it again in less than half a second. In bytes as estimated, the values and what else a command takes.
 */
export const readAheadRecordsMax = 20_000;
export const readAheadBytesMax = 32 * 1024 * 1024;
export const readAheadBytesPerCommand = 1_000;
/** Of all ranges of a shard together: more ranges do not mean more memory. Each has room for a batch. */
export const readAheadBytesOfShardMax = 64 * 1024 * 1024;

/** A command counts for its turn as one message for each so many bytes: as many of them fill a batch. */
export const bytesPerCost = batchBytesMax / batchRecordsMax;
/** The contract's longest message is 16 kB, 8 of them: what is larger keeps others no longer from being looked at. */
export const costMax = 32;

/**
 * About how long a turn takes while commands of several businesses wait: whoever comes waits for one at most before
 * its own. A full batch takes 0.5 s on a machine with time to spare and 3 s on one without. Below the least there is no batch
 * to speak of.
 */
export const sharedTurnMs = 250;
export const sharedTurnRecordsMin = 50;

/** What somebody waits for goes before campaigns, which keep a fourth of the work. */
export const urgentInARowMax = 3;

/** Businesses that are named as having more than their share of a range: 64 bytes each, a thousand ranges a shard stay far below 1.5 MiB. */
export const aboveShareMax = 8;

/** Estimates for that budget, measured with libsignal-client 0.103 on one 2-core machine. */
export const cryptoCostMs = { encrypt: 0.12, decrypt: 0.15, newSession: 0.6 } as const;

/** Devices of a contact; the relay allows as many. */
export const devicesMax = 10;

/** How often one mailbox may begin its count anew in one incarnation of its store: a restored handset does it once. */
export const countsOfIncarnation = 1_000;

/** Envelopes waiting for one device, as WhatsApp's 30-day queue would rarely exceed. */
export const mailboxEnvelopesMax = 1_000;

/**
 * With the numbers of removed envelopes, which stay until the device has acknowledged them: a full mailbox that
 * is made anew as often as it may be.
 */
export const mailboxNumbersMax = 4_000;

/** Of one business number for one device, so that no business fills a person's mailbox alone. */
export const mailboxEnvelopesPerNumberMax = 200;

/**
 * What is pushed to a device and not yet acknowledged: 256 messages of the usual 500 bytes are
 * 128 kB, which last somebody with 200 messages a second until the acknowledgement of a turn of a second
 * is there. A relay queues two windows for a device and no more (`queuedEnvelopesMax` there); 256 kB bound one
 * with 20,000 devices to 5 GB in the worst case.
 */
export const windowEnvelopesMax = 256;
export const windowBytesMax = 256 * 1024;

/** Of a frame to a relay, so much of ciphertexts and one push beyond: far below the frame limit of 8 MiB. */
export const pushBytesPerFrame = 1024 * 1024;

/** Of one event frame, so that several go in one append of 4 MiB. A turn with many long replies makes more than one. */
export const eventFrameBytesMax = 1024 * 1024;

/** Sessions are started anew so often for one message on one device, then it fails. */
export const undecryptableTriesMax = 3;

/** libsignal refuses to encrypt under a session unacknowledged for 30 days; 5 days of margin. */
export const unacknowledgedSessionMs = 25 * 24 * 3_600_000;

/** A pushed message may still be shown from memory: it is ended so long after its expiry. */
export const expiryGraceMs = 5 * 60_000;

/** Ids of messages and replies are kept so long for repeats; request keys and event ids live 30 days as well. */
export const idRetentionMs = 31 * 24 * 3_600_000;

/** Records of the range topic are deleted so long after they are done: the margin for a restore. */
export const restoreMarginMs = 24 * 3_600_000;

/**
 * Contacts whose state a shard keeps in memory, shared by its ranges, by an estimate that is about half of
 * what V8 takes: some 5,000 with a session each. More ranges do not mean more memory.
 */
export const cacheBytesMax = 32 * 1024 * 1024;

/** Frames in the outbox that are not yet published; beyond it the worker takes nothing new. */
export const outboxFramesMax = 64;

/** What became of replies, waiting for a relay that takes no frame: about 1 MB. */
export const outcomesWaitingMax = 10_000;

/** Acknowledgements and attachments waiting for the next transaction of a worker. */
export const pendingDeviceWorkMax = 20_000;

/** Commands of one contact that wait behind a poison one; then sends fail with `laneFull`. */
export const heldRecordsMax = 1_000;

/** Append stamps and the worker's clock may be so far apart: then an alarm; beyond 10 min a range waits whose stamps are ahead. */
export const clockAlarmMs = 5_000;
export const clockWaitMs = 10 * 60_000;

/** Look for expired and held messages so often; the answer comes as a tick through the log. */
export const tickIntervalMs = 60_000;

/** First and longest wait before a refused step is tried again. */
export const retryMs = { first: 20, longest: 2_000 } as const;

/** Prekey bundles in one call: the relay's own limit. */
export const claimsMax = 500;

/** A batch of 60 ms of crypto has 150 times its time before it is repeated. */
export const cryptoDeadlineMs = 10_000;

/** Contacts that are ticked at a time; the rest follows a minute later. */
export const ticksMax = 1_000;

/**
 * The life of a shard's lease. After a kill its key is there for 2 to 3.5 s more (a renewal each second,
 * etcd expires twice a second), the coordinator waits a whole life more, and the claim takes 0.5 s:
 * 7 s at most, of the 8 s that a takeover may take.
 */
export const leaseTtlMs = 3_000;

/** What a leaving shard waits for others to take its ranges; a hand-over takes some 100 ms. */
export const handOverMsMax = 5_000;
export const handOverLookMs = 10;

/** A range that could not be taken is tried again, and so is what the shard could not say of itself. */
export const retakeMs = 500;

/** A new range looks so often whether those that it replaces are drained elsewhere; here it is told. One row is read. */
export const drainedLookMs = 25;

/** Loads change slowly; 500 shards make 500 small writes a second at most. */
export const reportIntervalMs = 1_000;

/** A load that stays the same is reported so often: gateways take what is older than 15 s for unknown. */
export const reportLatestMs = 5_000;

/** Of a range's problem, in that report: a sentence, and 100 ranges of a shard stay far below etcd's 1.5 MiB. */
export const problemCharactersMax = 200;

/** At the end all devices are refused and a relay's stream has nothing more to say: time for its last frame. */
export const closeGraceMs = 50;

/** Commands a second that a shard can take on one core, unless it is said, with warm sessions (make bench). */
export const usualCapacity = 1_500;

/** Acknowledgements wait so long for others when there is nothing else to commit. */
export const acknowledgementsGatherMs = 100;

/** Records that come during a turn wait so long for others, and no longer than the turn. */
export const recordsGatherMs = 100;

/** The longest that commands gather after a turn (`range-worker.ts`): a person does not notice it. */
export const restMsMax = 100;

/** How often it is looked what waits in ranges, for metrics that are fetched each 15 s; and how many of them at once. */
export const backlogLookMs = 10_000;
export const backlogLooksAtOnce = 8;
