/**
 * The lattice of a message's state: accepted < sent < delivered < read; failed, expired and
 * cancelled are final. A state never goes backwards (MONOTONE), whatever order receipts come in;
 * a consumer that sees states out of order takes the highest.
 */

export const messageStates = ['accepted', 'sent', 'delivered', 'read', 'failed', 'expired', 'cancelled'] as const;

export type MessageState = (typeof messageStates)[number];

const path: readonly MessageState[] = ['accepted', 'sent', 'delivered', 'read'];

export function isMessageState(text: string): text is MessageState {
  return (messageStates as readonly string[]).includes(text);
}

/** Whether nothing can follow. */
export function isFinal(state: MessageState): boolean {
  return state === 'read' || !path.includes(state);
}

/** Whether the message may still fail, expire or be cancelled: no person has it yet. */
export function isWaiting(state: MessageState): boolean {
  return state === 'accepted' || state === 'sent';
}

/**
 * What happens when a message in one state is reported in another: every state that is entered,
 * in order, the skipped ones included; empty if the report changes nothing. A message that a
 * person has cannot fail any more.
 */
export function transition(from: MessageState, to: MessageState): readonly MessageState[] {
  const at = path.indexOf(from);
  if (at < 0) return [];
  const target = path.indexOf(to);
  if (target < 0) return isWaiting(from) ? [to] : [];
  return path.slice(at + 1, target + 1);
}

/** The state that stands after both were reported, in either order, of one message. */
export function highest(a: MessageState, b: MessageState): MessageState {
  return rank(a) >= rank(b) ? a : b;
}

/**
 * Delivered and read stand above the failures: they are only ever reported together when a device
 * showed what had been given up, and then the person has it.
 */
function rank(state: MessageState): number {
  const order: readonly MessageState[] = ['accepted', 'sent', 'cancelled', 'expired', 'failed', 'delivered', 'read'];
  return order.indexOf(state);
}
