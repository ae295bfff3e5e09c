/** The bounds of the codec. */

/** What a process begins to encode in: a frame of 100 messages of 500 bytes. */
export const scratchBytes = 64 * 1024;

/** What it keeps of it: a batch of 200 sessions of 4.5 kB, as senders and crypto exchange all the time. */
export const scratchKeptBytesMax = 2 * 1024 * 1024;

/** Groups that an unknown field may hold in one another, as in protobuf's own libraries. */
export const groupDepthMax = 100;

/**
 * Texts of at most so many bytes are looked up before they are made: a call into native code costs as much as
 * comparing some 50 bytes. The table is a power of two, and holds 64 KiB at most.
 */
export const repeatedTextMax = 16;
export const repeatedTextsMax = 2_048;
