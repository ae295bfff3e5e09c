/** Bounds of the relay, each with its reason. */

// Registration.

/** A person reads a message and types six digits. */
export const codeLifeMs = 10 * 60_000;
/** 5 guesses of 1,000,000 codes, 5 codes an hour: 600 guesses a day, once in 1,600 days by chance. */
export const codeTriesMax = 5;
export const codesPerWindowMax = 5;
export const codeWindowMs = 60 * 60_000;
/** Codes being sent at once: beyond it the provider is too slow and waiting helps nobody. */
export const codeSendsMax = 64;
export const codeSendMs = 5_000;
export const linkCodeLifeMs = 10 * 60_000;
/** Phones, tablets and computers of one person; every message is encrypted once for each. */
export const devicesPerContactMax = 10;
/** Device numbers that the wire allows. */
export const deviceNumberMax = 100;
/** A registration that has not ended by then was cut off: the log's append gives up after 5 s. */
export const registrationMs = 30_000;

// Prekeys.

/** The wire's limit of one upload. */
export const preKeysPerUploadMax = 200;
/** Two uploads: a device that uploads again before it counted is not refused. */
export const preKeysStoredMax = 400;
/** Below this many the device is asked for more; a broadcast by 20 businesses at once is rare. */
export const preKeysLowWater = 20;
/** What a refill asks for. */
export const preKeysRefill = 100;
/** The wire's limit of one Claim: a batch of the range worker. */
export const claimsPerCallMax = 500;
/** The range worker repeats a claim for as long as a batch is repeated, which is seconds. */
export const claimLifeMs = 10 * 60_000;
/** A device repeats an upload that was not answered within minutes; a used key must not come back by it. */
export const usedPreKeyLifeMs = 7 * 24 * 60 * 60_000;
/** Old rows go every minute, so at most a minute's worth of them is there beyond its life. */
export const purgeMs = 60_000;
/** A bundle is needed once for each business number, so a person needs a few a day. */
export const bundleFetchesPerMinute = 60;
/** Devices whose fetches are counted: the most connections, and then the oldest count is dropped. */
export const bundleFetchersMax = 20_000;

// Device streams.

/** About 25 kB each with its HTTP/2 buffers: 500 MB of a process. */
export const connectionsMax = 20_000;
/** A device sends Resume as soon as its stream is open; one that does not holds a place. */
export const firstFrameMs = 10_000;
/**
 * A device holds the reports of what it could not read, its window and its replies until it hears of them: a fifth of
 * a second of messages more costs it nothing, and saves a frame a message.
 */
export const gatherMs = 200;
/** Replies whose outcome one device was not told yet: as many as it keeps itself (`outboundMax` of libs/handset). */
export const outcomesGatheredMax = 256;
/** Outbound and Block that the log does not have yet; beyond it the device's frames are not read. */
export const outboundInFlightMax = 64;
/** A reply of 4,096 characters, padded and encrypted, has at most 20 kB; a first message 2 kB more. */
export const outboundBytesMax = 32 * 1024;
/** Ids that devices choose: a UUID has 36. */
export const outboundIdCharactersMax = 64;
/**
 * Two of the range worker's windows (256 envelopes, 256 kB and one envelope beyond): one before and one after
 * a takeover.
 */
export const queuedEnvelopesMax = 512;
export const queuedBytesMax = 576 * 1024;
/** What one frame to a device carries at most: far below the frame limit, several frames a window. */
export const envelopesPerFrameMax = 64;
/** A whole mailbox of 1,000 envelopes, all unreadable or not shown: a device repeats its list until it may forget. */
export const undecryptableMax = 1_000;
/** Why a device cannot read an envelope: `no_session`, `duplicate`, `invalid`, and what later versions say. */
export const reasonCharactersMax = 32;
/** E.164. */
export const phoneNumberDigitsMax = 15;
/** A mailbox counts anew when a store has lost commits: a few times in its life. */
export const incarnationMax = 1_000_000;
/** The wire's limit of one Read. */
export const readsPerFrameMax = 100;
/** Ids of a Read: a message id has 26 to 36. */
export const messageIdCharactersMax = 64;
/** Read receipts of a connection that are sent again to a new owner; older ones arrived long ago. */
export const readsKeptMax = 100;
/** Read receipts that wait for a shard; beyond it the device's frames are not read. */
export const readsWaitingMax = 400;

// Links to shards.

/** The wire's limit of one AttachRequest. */
export const attachEntriesMax = 500;
export const linkBackoffMinMs = 100;
export const linkBackoffMaxMs = 2_000;
/** A link that held this long was good: the next failure begins with the shortest wait again. */
export const linkSettledMs = 5_000;
/** A range's owner may hear of the new table so much later than the relay. Each time twice as long: it may be stopped. */
export const notOwnerRetryMs = 50;
/** The worker of a loaded range is seconds behind the log. */
export const unknownDeviceMs = 10_000;
/** The longest between two attempts to attach a device that is refused. */
export const retryMaxMs = 1_000;

// Others.

/** Crypto answers a bundle in milliseconds. */
export const cryptoDeadlineMs = 3_000;
/** Running calls get this long when the relay ends; device streams are ended at once. */
export const closeGraceMs = 2_000;
