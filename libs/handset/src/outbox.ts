/**
 * What must reach the log: replies, session acknowledgements, blocks. Each lies in the state until it is
 * confirmed or refused, a reply until the business has it, and goes out again, byte for byte, after a reconnect.
 *
 * A relay that has too many frames without an answer stops reading, and a device that waits for it to read
 * would hear no answer: so few go out at a time, and each answer lets the next one go.
 *
 * Everything but `closed` is called inside the handset's one act at a time.
 */
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ChappeError } from '@chappe/errors/chappe-error';
import { CiphertextType, ConnectRequestSchema, type Unreadable } from '@chappe/proto/device/device_service';
import type { Frame } from './frame.ts';
import type { HandsetState } from './handset-state.ts';
import { outboundInFlightMax, outboundMax, replyAttemptsMax, replyLifeMs } from './limits.ts';
import type { MessageCipher } from './message-cipher.ts';
import { findReply, putReply, type Reply } from './replies.ts';
import { ownBytes } from './signal-bytes.ts';

export interface OutboxOptions {
  readonly state: HandsetState;
  readonly cipher: MessageCipher;
  readonly now: () => number;
  readonly commit: () => void;
  /** Takes the number's keys, and starts a session. @throws ChappeError */
  readonly startSession: (number: string) => Promise<void>;
  readonly onConfirmed: (id: string) => void;
  readonly onReceived: (id: string) => void;
  readonly onRefused: (id: string, error: ChappeError) => void;
}

interface Up {
  send(frame: Frame): Promise<void>;
}

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #state: HandsetState;
  #up: Up | undefined;
  /** Ids, in the order in which they go out on the present connection. */
  #toSend = new Set<string>();
  #inFlight = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#state = options.state;
  }

  get hasReplies(): boolean {
    return this.#state.count('reply') > 0;
  }

  /** @throws ChappeError `tooManyRequests` if too many wait already */
  checkRoom(): void {
    if (this.#state.count('outbound') < outboundMax) return;
    throw new ChappeError('tooManyRequests', `${outboundMax} replies wait to be sent. Wait for the connection`);
  }

  /** What the log may not have goes out first. Replies that it has are asked for later, if their outcome does not come. */
  opened(up: Up): Promise<void> {
    this.#endExpired();
    this.#up = up;
    this.#inFlight = 0;
    this.#toSend = new Set(this.#state.keys('outbound'));
    for (const id of this.#state.keys('reply'))
      if (findReply(this.#state, id)?.confirmed === true) this.#toSend.delete(id);
    return this.send();
  }

  closed(): void {
    this.#up = undefined;
    this.#toSend.clear();
  }

  /** Not committed and not sent: `commit` and then `send` are the caller's. */
  put(id: string, frame: Frame): void {
    this.#state.put('outbound', id, encodeMessage(ConnectRequestSchema, frame));
    this.#toSend.add(id);
  }

  /** What waits, as far as the connection has room for it. */
  async send(): Promise<void> {
    for (const id of this.#toSend) {
      if (this.#up === undefined || this.#inFlight >= outboundInFlightMax) return;
      this.#toSend.delete(id);
      const bytes = this.#state.get('outbound', id);
      if (bytes === undefined) continue;
      this.#inFlight += 1;
      await this.#up.send(decodeMessage(ConnectRequestSchema, bytes));
    }
  }

  /** Encrypts a reply under the present session, commits it and sends it. */
  async putReply(id: string, written: Omit<Reply, 'sessionNo'>): Promise<void> {
    const { cipher, now, commit } = this.#options;
    const { to, content, attempt } = written;
    const encrypted = await cipher.encrypt(to, ownBytes(Buffer.from(content, 'base64')), now());
    putReply(this.#state, id, { ...written, sessionNo: cipher.sessionNo(to) });
    this.put(id, outboundFrame(id, to, attempt, encrypted));
    cipher.flush();
    commit();
    await this.send();
  }

  /** A reply is kept on: nobody has read it yet. */
  confirmed(id: string): void {
    this.#answered();
    // It went out twice, and has come to its end meanwhile.
    if (this.#state.get('outbound', id) === undefined) return;
    const reply = findReply(this.#state, id);
    if (reply === undefined) this.#state.delete('outbound', id);
    else if (reply.confirmed) return;
    else putReply(this.#state, id, { ...reply, confirmed: true });
    this.#options.onConfirmed(id);
  }

  refused(id: string, error: ChappeError): void {
    this.#answered();
    // What the log has once is not refused because it came again.
    if (this.#state.get('outbound', id) !== undefined && findReply(this.#state, id)?.confirmed !== true)
      this.#end(id, error);
  }

  received(ids: readonly string[]): void {
    const kept = ids.filter((id) => findReply(this.#state, id) !== undefined);
    for (const id of kept) this.#forget(id);
    // Else an end of the process would bring them back.
    if (kept.length > 0) this.#options.commit();
    for (const id of kept) this.#options.onReceived(id);
  }

  /**
   * The other end has no such session, or has read something else under the same message key, as happens
   * to a device that was restored from a backup: nothing more is encrypted under that session.
   */
  async unreadable(told: readonly Unreadable[]): Promise<void> {
    this.#endExpired();
    const replies = new Map<string, Reply>();
    for (const { id, attempt } of told) {
      const reply = findReply(this.#state, id);
      if (reply?.attempt !== attempt) continue;
      if (attempt + 1 < replyAttemptsMax) replies.set(id, reply);
      else this.#end(id, new ChappeError('undecryptable', `unreadable after ${replyAttemptsMax} attempts`));
    }
    for (const [to, group] of Map.groupBy(replies, ([, reply]) => reply.to)) await this.#encryptAnew(to, group);
  }

  /** Sends replies again whose outcome is not known; those that nobody would know any more are given up. */
  async repeatReplies(): Promise<void> {
    this.#endExpired();
    for (const id of this.#state.keys('reply')) this.#toSend.add(id);
    await this.send();
  }

  #endExpired(): void {
    const oldestMs = this.#options.now() - replyLifeMs;
    for (const id of this.#state.keys('reply')) {
      if ((findReply(this.#state, id)?.writtenMs ?? 0) <= oldestMs)
        this.#end(id, new ChappeError('expired', 'it could not be brought to the business for 30 days'));
    }
  }

  async #encryptAnew(to: string, replies: readonly (readonly [string, Reply])[]): Promise<void> {
    const { cipher, now, startSession } = this.#options;
    const presentNo = cipher.sessionNo(to);
    // Another session may have been started since, and be good.
    const needsSession = replies.some(([, { sessionNo }]) => sessionNo === presentNo);
    try {
      if (needsSession || !cipher.canEncryptTo(to, now())) await startSession(to);
    } catch (error) {
      if (!(error instanceof ChappeError)) throw error;
      if (error.reason === 'identityChanged') for (const [id] of replies) this.#end(id, error);
      // Else it goes out again as it was, is told to be unreadable again, and then there may be a session.
      return;
    }
    for (const [id, reply] of replies)
      await this.putReply(id, { ...reply, attempt: reply.attempt + 1, confirmed: false });
  }

  #answered(): void {
    this.#inFlight = Math.max(0, this.#inFlight - 1);
  }

  #end(id: string, error: ChappeError): void {
    this.#forget(id);
    this.#options.onRefused(id, error);
  }

  #forget(id: string): void {
    this.#state.delete('outbound', id);
    this.#state.delete('reply', id);
    this.#toSend.delete(id);
  }
}

export function outboundFrame(
  id: string,
  to: string,
  attempt: number,
  encrypted: { readonly ciphertext: Uint8Array; readonly type: CiphertextType },
): Frame {
  return { frame: { case: 'outbound', value: { id, to, attempt, ...encrypted } } };
}
