/** What the runs are held to, each with its reason. */

/**
 * HTTP requests, or calls, that one application has under way: with answers after 5 to 20 ms, enough for 3,000 a
 * second, and below the 100 or so connections at which all three still answer without refusing.
 */
export const requestsInFlight = 64;

/** Messages handed to a stream and not accepted: a stream has no request to wait for; a quarter of its client's own bound. */
export const streamedInFlight = 1_024;

/** Receipts that the message centre sends on a connection without an answer: larger than any window of the gateways (100). */
export const receiptsInFlight = 200;

/**
 * From submit_sm to its receipt: a phone takes longer still. Jasmin looks for the message of a receipt that comes with the
 * answer to its submit_sm before it has written it down, and then again after 10 s. It is taken off the latencies.
 */
export const receiptDelayMs = 1_000;

/**
 * After so long without anything new, what is missing is lost: Jasmin looks for the message of a receipt again after
 * 10 s, twice, and Kannel fetches a report's URL again after 10 s.
 */
export const quietMs = 35_000;

/** People who are written to in turn, each with a handset on Chappe: registering one costs it 30 to 60 ms of CPU, made before the job. */
export const contacts = 400;

/** Of the run at the common rate: at 100 a second, 20 messages are above the p99. */
export const pacedSeconds = 20;

/** Waiting when the system is killed: enough that some are in each of its queues. */
export const crashMessages = 2_000;

/** Afterwards, all of which must arrive: a system that is down has lost nothing yet. */
export const afterCrashMessages = 100;
