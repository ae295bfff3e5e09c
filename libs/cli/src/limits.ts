/** The bounds of the command, each with its reason. */

/** A row of a file: 50 parameters of 1,024 characters in four bytes each, and room; more is a forgotten quote. */
export const rowBytesMax = 256 * 1024;

/** Lines of one row: a template's parameter has few; more is a forgotten quote. */
export const rowLinesMax = 100;

/** Malformed or refused rows that are named one by one; further ones are only counted. */
export const namedProblemsMax = 100;

/** Handsets that one process simulates: about 0.3 ms of CPU a message each, and a stream each. */
export const simulatedHandsetsMax = 200;
