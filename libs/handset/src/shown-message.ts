/** Messages that were shown, as the application sees them and as they lie in the state. */
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { MessageSchema, type Message } from '@chappe/proto/device/content';
import { getJson, keepNewest, putJson, type HandsetState } from './handset-state.ts';

export interface ShownMessage {
  readonly messageId: string;
  /** The business number, E.164 digits. */
  readonly from: string;
  readonly shownAtMs: number;
  readonly message: Message;
}

interface ShownRecord {
  readonly from: string;
  readonly shownAtMs: number;
  /** base64. */
  readonly message: string;
}

/** Not committed. */
export function putShown(state: HandsetState, shown: ShownMessage, kept: number): void {
  const { messageId, from, shownAtMs, message } = shown;
  const bytes = Buffer.from(encodeMessage(MessageSchema, message)).toString('base64');
  putJson(state, 'shown', messageId, { from, shownAtMs, message: bytes } satisfies ShownRecord);
  keepNewest(state, 'shown', kept);
}

/** In the order in which they were shown. */
export function* shownMessages(state: HandsetState): Iterable<ShownMessage> {
  for (const messageId of state.keys('shown')) {
    const { from, shownAtMs, message } = getJson(state, 'shown', messageId) as ShownRecord;
    yield { messageId, from, shownAtMs, message: decodeMessage(MessageSchema, Buffer.from(message, 'base64')) };
  }
}
