/**
 * A device of a person: takes what is pushed, shows it once and in order, and answers.
 *
 * One act at a time touches the state (`#exclusively`). For a frame the order is: decrypt, commit,
 * tell the application, acknowledge. So what was acknowledged is never lost, and the listener hears
 * of a message at most once; after a crash `messages()` has what it did not hear of.
 */
import { randomUUID } from 'node:crypto';
import { create } from '@bufbuild/protobuf';
import { encodeMessage } from '@chappe/codec/codec';
import { errorNameOf } from '@chappe/errors/catalogue';
import { ChappeError } from '@chappe/errors/chappe-error';
import { ReplySchema } from '@chappe/proto/device/content';
import { DeviceService, type ConnectResponse, type Envelopes } from '@chappe/proto/device/device_service';
import type { Channel, Client } from '@chappe/rpc/client';
import { LibSignalErrorBase } from '@signalapp/libsignal-client';
import { findAccount, type Account } from './account.ts';
import { keepConnected, type Attempts, type HandsetEnd } from './connection.ts';
import { buildContent } from './content.ts';
import type { Frame } from './frame.ts';
import { keepNewest, putKey, type HandsetState } from './handset-state.ts';
import {
  connectTimeoutMs,
  preKeysPerUploadMax,
  replyCharactersMax,
  replyRepeatFirstMs,
  replyRepeatLastMs,
  seenKept,
  shownKeptDefault,
} from './limits.ts';
import { acknowledgeOf, putMailbox, readMailbox, resumeOf } from './mailbox-record.ts';
import { forget, takeEnvelopes, type Mailbox, type Report, type Surroundings } from './mailbox.ts';
import { MessageCipher } from './message-cipher.ts';
import { Outbox, outboundFrame } from './outbox.ts';
import { makePreKeys, makeSignedPreKeys, needsSignedPreKeys } from './prekeys.ts';
import { putReads, readFrames, takeReads } from './read-receipts.ts';
import { putShown, shownMessages, type ShownMessage } from './shown-message.ts';

/** Told of what happens, synchronously: it must neither throw nor wait. */
export interface HandsetListener {
  onMessage?(message: ShownMessage): void;
  /** The connection is there, and what waits is on its way. */
  onConnected?(): void;
  /** Tried again by itself. Without an error: the server ended the stream, or the handset was closed. */
  onDisconnected?(error: ChappeError | undefined): void;
  /** Something could not be decrypted; it comes again under a new session, or the business hears of it. */
  onUndecryptable?(report: Report): void;
  /** A reply or block is in the log; told again of a reply that was encrypted anew. */
  onConfirmed?(id: string): void;
  /** The business has a reply. */
  onReceived?(id: string): void;
  /** A reply or block was refused for good. */
  onRefused?(id: string, error: ChappeError): void;
}

export interface HandsetOptions {
  /** May be shared by thousands of handsets: each call carries its own credential. */
  readonly channel: Channel;
  /** Of a registered handset; stays the caller's to dispose. */
  readonly state: HandsetState;
  readonly listener?: HandsetListener;
  /** How many shown messages are kept to be looked at again. Absent: 1,000. */
  readonly shownKept?: number;
  readonly now?: () => number;
  /** From 0 to 1, for the jitter of reconnects. */
  readonly random?: () => number;
}

type Stream = ReturnType<Client<typeof DeviceService>['connect']>;

export class Handset implements AsyncDisposable {
  readonly account: Account;
  readonly #channel: Channel;
  readonly #device: Client<typeof DeviceService>;
  readonly #state: HandsetState;
  readonly #listener: HandsetListener;
  readonly #shownKept: number;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #cipher: MessageCipher;
  readonly #outbox: Outbox;
  readonly #closing = new AbortController();
  #mailbox: Mailbox;
  #stream: Stream | undefined;
  /** A Resume was sent and nothing has continued since: the frames on their way need no other one. */
  #awaitsResume = false;
  /** The state may not be what the memory says: nothing goes on with it. */
  #fault: Error | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Runs while there are replies of which nothing was heard. */
  #repeatTimer: NodeJS.Timeout | undefined;
  #repeatMs = replyRepeatFirstMs;
  #ended: Promise<HandsetEnd> | undefined;

  /** @throws ChappeError `unauthenticated` if the state holds no registered handset */
  constructor(options: HandsetOptions) {
    const account = findAccount(options.state);
    if (account === undefined)
      throw new ChappeError('unauthenticated', 'the handset is not registered. Register it first');
    this.account = account;
    this.#channel = options.channel;
    this.#device = options.channel.client(DeviceService);
    this.#state = options.state;
    this.#listener = options.listener ?? {};
    this.#shownKept = options.shownKept ?? shownKeptDefault;
    this.#now = options.now ?? Date.now;
    this.#random = options.random ?? Math.random;
    this.#cipher = new MessageCipher(options.state, account);
    this.#mailbox = readMailbox(options.state);
    this.#outbox = new Outbox({
      state: options.state,
      cipher: this.#cipher,
      now: this.#now,
      commit: () => this.#commit(),
      startSession: (number) => this.#startSession(number),
      onConfirmed: (id) => this.#listener.onConfirmed?.(id),
      onReceived: (id) => this.#listener.onReceived?.(id),
      onRefused: (id, error) => this.#listener.onRefused?.(id, error),
    });
  }

  /**
   * Connects, and again whenever the connection ends. Calling it again changes nothing.
   *
   * @returns how it ended; rejects if the state cannot be written any more
   */
  connect(): Promise<HandsetEnd> {
    this.#ended ??= keepConnected({
      attempt: (tells) => this.#runConnection(tells),
      fatal: () => this.#fault,
      onDisconnected: (error) => this.#listener.onDisconnected?.(error),
      random: this.#random,
      signal: this.#closing.signal,
    });
    return this.#ended;
  }

  /** Ends the connection and commits; what waits to be sent stays in the state. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#repeatTimer);
    // Whoever holds the promise of `connect` hears of a fault there.
    await this.#ended?.catch(() => undefined);
    await this.#last;
    if (this.#fault === undefined) this.#commit();
  }

  /** Those kept, in the order in which they were shown. */
  messages(): Iterable<ShownMessage> {
    return shownMessages(this.#state);
  }

  /**
   * Sends a reply; without a connection it waits in the state.
   *
   * @param number the business number, E.164 with or without `+`
   * @returns the id that `onConfirmed`, and then `onReceived` or `onRefused`, will name
   * @throws ChappeError `tooLong`; `tooManyRequests` if too many wait; `identityChanged`; what fetching the number's keys throws
   */
  reply(number: string, text: string, options: { readonly inReplyTo?: string } = {}): Promise<string> {
    return this.#exclusively(async () => {
      if (text.length > replyCharactersMax)
        throw new ChappeError('tooLong', `a reply has at most ${replyCharactersMax} characters`);
      this.#outbox.checkRoom();
      const to = digitsOf(number);
      if (!this.#cipher.canEncryptTo(to, this.#now())) await this.#startSession(to);
      const reply = create(ReplySchema, { text, inReplyTo: options.inReplyTo ?? '' });
      const id = randomUUID();
      const content = buildContent({
        messageId: id,
        kind: { case: 'reply', value: encodeMessage(ReplySchema, reply) },
      });
      const written = { to, content: Buffer.from(content).toString('base64'), writtenMs: this.#now() };
      await this.#outbox.putReply(id, { ...written, attempt: 0, confirmed: false });
      this.#repeatReplies();
      return id;
    });
  }

  /** Tells the businesses that messages were opened. */
  read(messageIds: readonly string[]): Promise<void> {
    return this.#exclusively(async () => {
      putReads(this.#state, messageIds);
      this.#commit();
      for (const frame of readFrames(messageIds)) await this.#send(frame);
    });
  }

  /** Hides everything from a business number from now on, and tells the server; or ends that. */
  block(number: string, blocked: boolean): Promise<string> {
    return this.#exclusively(async () => {
      this.#outbox.checkRoom();
      const digits = digitsOf(number);
      if (blocked) putKey(this.#state, 'blocked', digits);
      else this.#state.delete('blocked', digits);
      const id = randomUUID();
      this.#outbox.put(id, { frame: { case: 'block', value: { id, number: digits, blocked } } });
      this.#commit();
      await this.#outbox.send();
      return id;
    });
  }

  /** Trusts whatever identity a business number shows next: only for a person who has checked why it changed. */
  forgetIdentity(number: string): Promise<void> {
    return this.#exclusively(() => {
      this.#state.delete('identity', digitsOf(number));
      this.#commit();
      return Promise.resolve();
    });
  }

  /** A code with which a further device of this person registers, within 10 minutes. */
  async createLinkCode(): Promise<string> {
    const { linkCode } = await this.#device.createLinkCode({}, { bearer: this.account.credential });
    return linkCode;
  }

  async #runConnection({ onOpen, onLive }: Parameters<Attempts['attempt']>[0]): Promise<void> {
    const { signal } = this.#closing;
    await untilAborted(this.#channel.waitForReady(connectTimeoutMs), signal);
    if (signal.aborted) return;
    const stream = this.#device.connect({ bearer: this.account.credential, signal });
    try {
      await this.#exclusively(() => this.#greet(stream));
      onOpen();
      for await (const { frame } of stream.responses) {
        onLive();
        await this.#exclusively(() => this.#take(frame));
      }
    } finally {
      this.#stream = undefined;
      this.#outbox.closed();
      stream.cancel();
    }
  }

  /** First where to go on; then everything that may have been lost with an earlier connection. */
  async #greet(stream: Stream): Promise<void> {
    await stream.send({ frame: { case: 'resume', value: resumeOf(this.#mailbox) } });
    this.#awaitsResume = false;
    if (this.#mailbox.number > this.#mailbox.forgotten) {
      await stream.send({ frame: { case: 'acknowledge', value: acknowledgeOf(this.#mailbox) } });
    }
    await this.#outbox.opened(stream);
    for (const frame of takeReads(this.#state)) await stream.send(frame);
    this.#stream = stream;
    this.#stopRepeating();
    this.#repeatReplies();
    this.#listener.onConnected?.();
  }

  async #take(frame: ConnectResponse['frame']): Promise<void> {
    switch (frame.case) {
      case 'envelopes':
        return this.#takeAndAcknowledge(frame.value);
      case 'forget':
        this.#mailbox = forget(this.#mailbox, frame.value.incarnation, frame.value.through);
        // Committed with whatever comes next: to report again does no harm.
        return putMailbox(this.#state, this.#mailbox);
      case 'confirmed':
        for (const id of frame.value.ids) this.#outbox.confirmed(id);
        return this.#outbox.send();
      case 'outcome':
        this.#outbox.received(frame.value.received);
        await this.#outbox.unreadable(frame.value.unreadable);
        return this.#repeatReplies();
      case 'refillPreKeys':
        return this.#uploadPreKeys(frame.value.count);
      case 'refused': {
        const { id, code, detail } = frame.value;
        this.#outbox.refused(id, new ChappeError(errorNameOf(code), detail));
        return this.#outbox.send();
      }
      case undefined:
        // A kind of frame that this version does not know.
        return;
    }
  }

  async #takeAndAcknowledge(frame: Envelopes): Promise<void> {
    const before = this.#mailbox.reports;
    const { shown, needsResume } = await this.#faultUnless(() => this.#store(frame));
    for (const message of shown) this.#listener.onMessage?.(message);
    for (const report of this.#mailbox.reports) {
      if (!before.includes(report)) this.#listener.onUndecryptable?.(report);
    }
    await this.#outbox.send();
    await this.#answer(needsResume);
  }

  async #store(frame: Envelopes): Promise<{ shown: ShownMessage[]; needsResume: boolean }> {
    const nowMs = this.#now();
    const taken = await takeEnvelopes(this.#mailbox, frame, this.#surroundings(nowMs));
    this.#mailbox = taken.mailbox;
    const shown: ShownMessage[] = [];
    for (const { fate, messageId, from, message } of taken.messages) {
      if (fate === 'repeat') continue;
      putKey(this.#state, 'seen', messageId);
      if (fate === 'shown') shown.push({ messageId, from, shownAtMs: nowMs, message });
    }
    keepNewest(this.#state, 'seen', seenKept);
    if (this.#shownKept > 0) for (const message of shown) putShown(this.#state, message, this.#shownKept);
    await this.#acknowledgeSessions(taken.startedBy, nowMs);
    this.#cipher.flush();
    putMailbox(this.#state, this.#mailbox);
    this.#commit();
    return { shown, needsResume: taken.needsResume };
  }

  /** Half a frame taken, in memory only, must never be acknowledged with a later one. */
  async #faultUnless<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      this.#fault ??= error instanceof Error ? error : new Error('taking a frame failed', { cause: error });
      throw error;
    }
  }

  #surroundings(nowMs: number): Surroundings {
    return {
      forgetSessions: () => this.#cipher.forgetSessions(),
      open: (envelope) => this.#cipher.open(envelope),
      hasSeen: (messageId) => this.#state.get('seen', messageId) !== undefined,
      isBlocked: (number) => this.#state.get('blocked', number) !== undefined,
      nowMs,
    };
  }

  /** One acknowledgement for a whole frame, and one Resume for all the frames that come after a gap. */
  async #answer(needsResume: boolean): Promise<void> {
    await this.#send({ frame: { case: 'acknowledge', value: acknowledgeOf(this.#mailbox) } });
    if (needsResume && !this.#awaitsResume) {
      await this.#send({ frame: { case: 'resume', value: resumeOf(this.#mailbox) } });
    }
    this.#awaitsResume = needsResume;
  }

  /**
   * Without an encrypted answer every further message would carry the whole key agreement. One for
   * each session started, so they need no room of their own in the outbox.
   */
  async #acknowledgeSessions(numbers: readonly string[], nowMs: number): Promise<void> {
    for (const number of new Set(numbers)) {
      const id = randomUUID();
      const content = buildContent({ messageId: id, kind: { case: 'sessionAck', value: {} } });
      this.#outbox.put(id, outboundFrame(id, number, 0, await this.#cipher.encrypt(number, content, nowMs)));
    }
  }

  /** What was under another session is unreadable from now on, and comes again. */
  async #startSession(number: string): Promise<void> {
    const { bundle } = await this.#device.getNumberBundle(
      { number: `+${number}` },
      { bearer: this.account.credential, signal: this.#closing.signal },
    );
    if (bundle === undefined) throw new ChappeError('notFound', 'the business number has no keys');
    try {
      await this.#cipher.startSession(number, bundle, this.#now());
    } catch (error) {
      if (!(error instanceof LibSignalErrorBase))
        throw new ChappeError('invalidRequest', 'the keys of the business number cannot be read', { cause: error });
      const detail = 'the keys of the business number are not signed by the identity known of it';
      throw new ChappeError('identityChanged', detail, { cause: error });
    }
  }

  /** What became of a reply is not told to a device that is not attached at that moment: it asks, by sending it again. */
  #repeatReplies(): void {
    if (!this.#outbox.hasReplies) return this.#stopRepeating();
    if (this.#closing.signal.aborted) return;
    this.#repeatTimer ??= setTimeout(() => {
      this.#repeatTimer = undefined;
      this.#repeatMs = Math.min(2 * this.#repeatMs, replyRepeatLastMs);
      // The loop of the connection hears of one that has ended.
      this.#exclusively(async () => {
        this.#repeatReplies();
        await this.#outbox.repeatReplies();
      }).catch(() => undefined);
    }, this.#repeatMs).unref();
  }

  #stopRepeating(): void {
    clearTimeout(this.#repeatTimer);
    this.#repeatTimer = undefined;
    this.#repeatMs = replyRepeatFirstMs;
  }

  async #uploadPreKeys(count: number): Promise<void> {
    const nowMs = this.#now();
    const preKeys = makePreKeys(this.#state, Math.min(count, preKeysPerUploadMax));
    const signed = needsSignedPreKeys(this.#state, nowMs)
      ? makeSignedPreKeys(this.#state, this.account.pair, nowMs)
      : {};
    this.#commit();
    try {
      await this.#device.uploadPreKeys({ preKeys, ...signed }, { bearer: this.account.credential });
    } catch (error) {
      // The server asks again while it has too few; the connection tells of anything worse.
      if (!(error instanceof ChappeError)) throw error;
    }
  }

  /** Without a connection nothing is lost: what matters lies in the state and goes out after the next reconnect. */
  async #send(frame: Frame): Promise<void> {
    await this.#stream?.send(frame);
  }

  #commit(): void {
    try {
      this.#state.commit();
    } catch (error) {
      this.#fault = error instanceof Error ? error : new Error('the state cannot be written', { cause: error });
      throw error;
    }
  }

  async #exclusively<T>(act: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#fault !== undefined) throw this.#fault;
      return act();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}

function digitsOf(number: string): string {
  return number.replace(/^\+/, '');
}

/** Waits for the work, or no longer than until the signal. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
