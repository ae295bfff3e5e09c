/** The bounds of crypto. */

export const dayMs = 24 * 60 * 60 * 1000;

/** A call of this many operations takes about 0.4 s of CPU (200 us each): well inside a call's deadline of 10 s. */
export const operationsPerCallMax = 2_000;

/** Operations of all calls together, running or waiting: about 2 s of work. Beyond it callers are pushed back. */
export const operationsInFlightMax = 10_000;

/** How long the main thread works before it lets other work in: leaves 1 ms of 5 for an operation that began late. */
export const sliceMs = 4;

/**
 * An ordinary session record has 4.3 kB. libsignal itself keeps at most 2,000 skipped message
 * keys a chain (150 kB measured), 5 receiving chains, 40 archived states, and refuses to skip
 * more than 25,000 messages at once (rust/protocol/src/consts.rs of version 0.103). Beyond
 * 64 KiB, which is about 12 archived states or 800 skipped keys, a session is not used for
 * sending any more and the next one starts without its past.
 */
export const sessionRecordBytesMax = 64 * 1024;

/** What one sealed body may have: the 4,096 characters of a text in UTF-8, with header, footer and code, several times over. */
export const bodyBytesMax = 64 * 1024;

/** Message ids are 26 to 36 characters; a device chooses those of replies, so they are bounded here. */
export const messageIdLengthMax = 64;

/** Opened keys of 32 bytes with their names, about 200 bytes each: at most 2 MB. */
export const openedKeysMax = 10_000;

/** Opened identities and prekeys of business numbers, about 4 kB each with Kyber: at most 40 MB. */
export const openedNumberKeysMax = 10_000;

/**
 * A data key is destroyed when nothing that is sealed under it can still be asked for: a message
 * rests up to 30 days in a mailbox, its event up to 30 days after that, and 5 days are left for
 * clocks and slow consumers.
 */
export const dataKeyLifeDays = 30 + 30 + 5;

/** Prekeys of business numbers: a new one each week, and each good for 45 days, longer than the 30 that a bundle may lie unused. */
export const preKeyPeriodMs = 7 * dayMs;
export const preKeyLifeMs = 45 * dayMs;

/** How often old keys are looked for. They are counted in days. */
export const housekeepingMs = 60 * 60 * 1000;

/** How often it is looked how old keys are, for metrics: four small queries. */
export const keyAgesEveryMs = 60_000;
