/** Bounds of number parsing. */

/**
 * Parsed numbers that are remembered. Parsing takes 8 to 20 µs and a look-up 0.3 µs (measured on one
 * core); the same people are written to again. 20,000 entries of about 300 bytes are 6 MB.
 */
export const rememberedNumbersMax = 20_000;

/** E.164 has 15 digits; separators at most double that, with room for brackets and a plus. */
export const numberTextCharactersMax = 40;
