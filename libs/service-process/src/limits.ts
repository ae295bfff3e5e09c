/** The limits of a service's process. */

/**
 * Servers that a process needs may come up after it: a database after a restart of its machine takes
 * a minute. Who still cannot start then ends, and whoever looks after the process starts it anew.
 */
export const startMsMax = 120_000;

/** First and longest wait between two tries to start. */
export const startRetryMs = { first: 200, longest: 5_000 } as const;

/** Everything that a stop waits for has a limit of its own; together they are below this. */
export const stopMsMax = 20_000;
