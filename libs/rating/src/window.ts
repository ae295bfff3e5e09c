/**
 * The window: the 24 h after a contact's last message, in which replies are free of charge and
 * free in form. Half-open: at the last millisecond it is open, 24 h after the message it is not.
 */
export const windowMs = 24 * 60 * 60 * 1000;

/** The first moment at which the window is no longer open. */
export function windowUntil(lastInboundMs: number): number {
  return lastInboundMs + windowMs;
}

/**
 * @param lastInboundMs append time of the contact's last message; absent if there was none
 * @param nowMs append time of what is decided; times of one contact never decrease
 */
export function isOpen(lastInboundMs: number | undefined, nowMs: number): boolean {
  return lastInboundMs !== undefined && nowMs < windowUntil(lastInboundMs);
}
