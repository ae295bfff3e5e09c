/** The standalone node's limits. */

/** Event topics: one reader each in gateway and billing; more would only spread one process thinner. */
export const eventBuckets = 2;

/** A start takes under 2 s; on a machine under load it may take this long before it is given up. */
export const readyMs = 20_000;
