/**
 * Read receipts are not confirmed: each is sent at once, if there is a connection, and again after
 * the next reconnect, as a frame may be lost with its connection. A repeated receipt changes nothing.
 */
import type { Frame } from './frame.ts';
import { keepNewest, putKey, type HandsetState } from './handset-state.ts';
import { readsKept, readsPerFrameMax } from './limits.ts';

/** Not committed. */
export function putReads(state: HandsetState, messageIds: readonly string[]): void {
  for (const messageId of messageIds) putKey(state, 'read', messageId);
  keepNewest(state, 'read', readsKept);
}

/** All receipts to repeat, which are forgotten then. Not committed. */
export function takeReads(state: HandsetState): Frame[] {
  const messageIds = [...state.keys('read')];
  for (const messageId of messageIds) state.delete('read', messageId);
  return readFrames(messageIds);
}

export function readFrames(messageIds: readonly string[]): Frame[] {
  const count = Math.ceil(messageIds.length / readsPerFrameMax);
  return Array.from({ length: count }, (_, index) => {
    const part = messageIds.slice(index * readsPerFrameMax, (index + 1) * readsPerFrameMax);
    return { frame: { case: 'read', value: { messageIds: part } } };
  });
}
