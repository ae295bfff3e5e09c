/** The bounds of blobs. */

/** The largest media file of the WhatsApp API is a document of 100 MB. */
export const blobBytesMax = 100 * 1024 * 1024;

export const listLimitMax = 1_000;

export const keyLengthMax = 512;

/** A part of a key becomes a file name with a mark; file systems allow 255 bytes. */
export const keyPartLengthMax = 200;
