/** The bounds of the Kafka log. */
import { appendBytesMax, appendRecordsMax } from './limits.ts';

/** TCP and TLS to a broker in the same region take a few round trips; a paused machine must not hold callers up. */
export const connectTimeoutMs = 2_000;

/** Beyond it the connection is given up. A produce is answered within `produceTimeoutMs` or not at all. */
export const requestTimeoutMs = 5_000;

/** How long a broker waits for the in-sync replicas; below `requestTimeoutMs`, so that it can say so. */
export const produceTimeoutMs = 4_000;

/** Metadata comes from memory: a broker that takes longer is passed over for the next one. */
export const metadataTimeoutMs = 2_000;

/** And the next one is asked beside it after so long. */
export const hedgeMs = 500;

/** A look for the leader hears every broker, but waits no longer than this for the others once one has answered. */
export const secondOpinionMs = 250;

/** One long poll of a reader at the end of its topic: an idle reader costs one request a second. */
export const fetchWaitMs = 1_000;

/** Of one fetch. A reader holds the records of one fetch: this much, and at most one batch (5 MiB) more. */
export const fetchBytesMax = 4 * 1024 * 1024;

/** For one record: Kafka sends a whole batch at least, and without this bound whatever follows it. */
export const oneBatchBytes = 1;

/** `max.message.bytes` of a topic: the values of the largest append, 300 bytes for key, headers and framing of each record. */
export const batchBytesMax = appendBytesMax + 300 * appendRecordsMax;

/** What a sealed topic has in its place: smaller than any batch can be. */
export const sealedBatchBytesMax = 1;

/** Framing of one record and its headers besides their own bytes, rounded up. */
export const recordOverheadBytes = 60;

/** A larger answer than any that can be asked for is not Kafka's: a fetch is 4 MiB and one batch more. */
export const kafkaFrameBytesMax = 64 * 1024 * 1024;

/** Looks for the leader so often while one is elected, then says `unavailable`; callers try again. */
export const leaderAttempts = 4;
export const leaderPauseMs = 100;

/** A change of topics reaches every live broker within milliseconds; one that lags longer is broken. */
export const propagationTimeoutMs = 10_000;
export const propagationPollMs = 20;

/** The end of a sealed topic stands once two looks at the leader so far apart agree (protocol: seal). */
export const sealSettleMs = 100;
/** It reaches the leader some milliseconds after it is made. */
export const sealPollMs = 10;
export const sealTimeoutMs = 20_000;
