/**
 * What replies say, until the business has them: one that could not be decrypted there is encrypted anew.
 * The frame of each lies beside it (outbox.ts).
 */
import { getJson, putJson, type HandsetState } from './handset-state.ts';

export interface Reply {
  /** The business number, digits. */
  readonly to: string;
  /** Content, in base64. */
  readonly content: string;
  readonly writtenMs: number;
  /** How often it was encrypted anew. */
  readonly attempt: number;
  /** The session that it was encrypted under (`MessageCipher.sessionNo`). */
  readonly sessionNo: number;
  /** The log has it. */
  readonly confirmed: boolean;
}

/** Not committed. */
export function putReply(state: HandsetState, id: string, reply: Reply): void {
  putJson(state, 'reply', id, reply);
}

export function findReply(state: HandsetState, id: string): Reply | undefined {
  // Put by putReply.
  return getJson(state, 'reply', id) as Reply | undefined;
}
