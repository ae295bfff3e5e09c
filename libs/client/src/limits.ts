/** Bounds of what a client keeps and how long it tries. */

/** Waits between attempts: doubled from the first to the last, each with up to half of it by chance. */
export const backoffMinMs = 100;
export const backoffMaxMs = 5_000;

/** A unary call that is refused for a reason that passes is made so many times. */
export const callAttemptsMax = 5;

/** What the contract advises: 50 to 200 a frame is fastest, at most 1 MiB. */
export const frameMessagesMax = 200;
export const frameBytesMax = 1024 * 1024;
/** Twice the server's window: one window waits while the other is being answered. */
export const pendingReady = 2_000;
/** Callers that do not wait until the stream is ready are refused here: about 40 MB of messages. */
export const pendingMax = 20_000;
/** Before the server has said its window. */
export const firstWindow = 1;
/** How long messages are tried again, and a stream opened again, without success. */
export const giveUpMs = 60_000;

/** Event ids that are remembered: more than two frames, which is what a reconnect can repeat. */
export const rememberedEventsMax = 2_000;
