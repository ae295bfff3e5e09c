/** Bounds of the gateway, each with its reason. */

const second = 1_000;
const day = 24 * 3_600 * second;

/** The fields of a message, as the public contract states them (code points where it says characters). */
export const textCharactersMax = 4_096;
export const parameterCharactersMax = 1_024;
export const renderedCharactersMax = 4_096;
export const echoCharactersMax = 512;
export const keyCharactersMax = 128;
export const ttlMinMs = 30 * second;
export const ttlMaxMs = 30 * day;

/** Templates: the sizes that the WhatsApp Business API has; a code is what a QR code can hold at quality M. */
export const templateNameCharactersMax = 512;
export const templateHeaderCharactersMax = 60;
export const templateBodyCharactersMax = 1_024;
export const templateFooterCharactersMax = 60;
export const templateCodeCharactersMax = 2_300;
/** A body of 1,024 characters holds at most 200 of the shortest parameters (`{{1}}`). */
export const templateParametersMax = 200;
/** 500 templates in 10 languages; a list of them is under 8 MiB in practice (1.2 kB each). */
export const templatesPerBusinessMax = 5_000;

/** Businesses: names are shown on phones; keys and numbers are made by hand. */
export const businessNameCharactersMax = 100;
export const keysPerBusinessMax = 100;
export const numbersPerBusinessMax = 100;
export const labelCharactersMax = 100;
export const capCountMax = 10_000;
export const capPeriodMinMs = 60 * second;
export const capPeriodMaxMs = 30 * day;
/** As the WhatsApp Business API: one message in 6 s to one person. There 45 in a row; a person's mailbox takes 200 of a number. */
export const defaultPairIntervalMs = 6 * second;
export const pairBurstMax = 10_000;
export const pairIntervalMinMs = 10;
export const pairIntervalMaxMs = day;
export const defaultCapCount = 10;
export const defaultCapPeriodMs = day;

/** Opt-ins, as the public contract states them. */
export const optInsPerCallMax = 1_000;
export const optInSourceCharactersMax = 128;
export const optInWordingCharactersMax = 1_000;

/** A revoked key must stop working within a second on every gateway; a look-up a second costs nothing. */
export const keyLifeMs = 1 * second;
/** Some 500 bytes each: 5 MB. More callers than this at a time cost a look-up each, no more. */
export const cachedKeysMax = 10_000;
/** A template made on another gateway is seen within this time. About 3 kB each: 30 MB at most. */
export const templateLifeMs = 2 * second;
export const cachedTemplatesMax = 10_000;
/** One data key for each business of today, and those of old replies: 200 bytes each. */
export const cachedDataKeysMax = 10_000;
/** An open key leaves memory an hour after it was fetched, at the latest. */
export const dataKeyLifeMs = 3_600 * second;

/**
 * A group commit of 500: the store takes 9 µs a row and the log 8 µs a record at this size; larger
 * ones gain nothing and hold the thread longer than 5 ms.
 */
export const sendBatchMax = 500;

/** How long a batch waits for more messages: in times of what the last one took, and the longest. */
export const sendGatherShare = 3;
export const sendGatherMsMax = 100;
/**
 * Messages between being handed over and being in the log: 2 s at 10,000/s. At about 2 kB each,
 * 40 MB. Beyond it callers are told to wait.
 */
export const pendingSendsMax = 20_000;
/** Unanswered messages of one stream: two full batches, so that one gathers while one is written. */
export const streamWindow = 1_000;
export const streamFrameMessagesMax = 1_000;
export const answersPerFrameMax = 500;
/** Work on the main thread in slices, so that keepalives run. */
export const sliceMs = 5;

/** Token buckets of businesses: one that was not used for a while is full, so that forgetting it changes nothing. */
export const rateBucketsMax = 10_000;

/** Events: the contract's frame; a reader in between holds one frame and no more. */
export const eventsPerFrameMax = 500;

/** Of those just committed that a subscriber holds until it takes them: some frames of 1 kB events, shared by all. */
export const eventsHeldMax = 2_000;
/** Other gateways write events too, and tell nobody: how long one may go unseen. */
export const eventPollMs = 500;
/** How long `Get` waits for a new message's first event, and what counts as new. */
export const firstEventWaitMs = 1 * second;
export const newMessageMs = 10 * second;
/** A message has at most seven states; a timeline beyond this is a fault. */
export const timelineEventsMax = 100;

/** Request keys, message ids and events (docs/protocols.md, 9.3). */
export const retentionMs = 30 * day;
/** 1,000 rows each 10 s: more than 8 million a day, in transactions of about 10 ms. */
export const retentionEveryMs = 10 * second;
export const retentionRowsMax = 1_000;

/** An owner that moved is found within a second; then the caller tries again. */
export const ownerAttemptsMax = 5;
export const ownerBackoffMs = 100;
/** How long a contact's range may take to reach what this gateway has written itself. */
export const contactDeadlineMs = 5 * second;

/** How often readiness is looked at, and how long an answer may take. */
export const probeEveryMs = 2 * second;
export const probeDeadlineMs = 1 * second;

/** How long running calls may take to end at a stop. */
export const stopGraceMs = 5 * second;

/** Events wait so long for others after a batch that was not full: a commit then serves many. */
export const eventsGatherMs = 50;

/** Of the reason for a reshape: a line of the journal stays short. */
export const reasonCharactersMax = 200;

/** Reshapes that have not ended; each is a record in coordination that the leader looks at. */
export const reshapesWaitingMax = 64;

/** A reshape has three steps before it cannot be taken back: one that is being taken back is met at one of them. */
export const cancelAttemptsMax = 5;

/**
 * Businesses that metrics count by themselves: each has 2 series of answers and 11 of events in each gateway, so
 * 20 of them are at most 273 with those of all others.
 */
export const countedBusinessesMax = 20;
