/**
 * Frames that must reach the log: replies, session acknowledgements, blocks. Each lies in the
 * state until it is confirmed or refused, a reply until the business has it, and goes out again,
 * byte for byte, after a reconnect.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ChappeError } from '@chappe/errors/chappe-error';
import { ConnectRequestSchema, type ConnectRequest } from '@chappe/proto/device/device_service';
import { keepNewest, putKey, type HandsetState } from './handset-state.ts';
import { outboundMax, readsKept, readsPerFrameMax } from './limits.ts';

export type Frame = MessageInitShape<typeof ConnectRequestSchema>;

/** @throws ChappeError `tooManyRequests` if too many wait already */
export function checkRoom(state: HandsetState): void {
  if (state.count('outbound') < outboundMax) return;
  throw new ChappeError('tooManyRequests', `${outboundMax} replies wait to be sent. Wait for the connection`);
}

/** Not committed. */
export function putOutbound(state: HandsetState, id: string, frame: Frame): void {
  state.put('outbound', id, encodeMessage(ConnectRequestSchema, frame));
}

export function pendingOutbound(state: HandsetState): Iterable<ConnectRequest> {
  return framesOf(state, state.keys('outbound'));
}

export function pendingReplies(state: HandsetState): Iterable<ConnectRequest> {
  return framesOf(state, state.keys('reply'));
}

function* framesOf(state: HandsetState, ids: Iterable<string>): Iterable<ConnectRequest> {
  for (const id of ids) {
    const bytes = state.get('outbound', id);
    if (bytes !== undefined) yield decodeMessage(ConnectRequestSchema, bytes);
  }
}

/**
 * Read receipts are not confirmed: each is sent at once, if there is a connection, and again after
 * the next reconnect, as a frame may be lost with its connection. A repeated receipt changes nothing.
 * Not committed.
 */
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
