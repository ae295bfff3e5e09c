/**
 * What one transaction will change: gathers rows and events while effects are applied to the
 * states in memory. Nothing here decides and nothing does I/O; `writeChanges` writes it, and the
 * cache drops `touched` if that fails.
 */
import { createHash } from 'node:crypto';
import { transition, type MessageState } from '@chappe/message-state/message-state';
import type { SqlValue } from '@chappe/store/store';
import type { Effect, Failure, NewMessage } from './effects.ts';
import { EventWriter } from './event-writer.ts';
import {
  emptyMailbox,
  firstCountOf,
  lastEnvelopeNo,
  sessionKey,
  type ContactState,
  type Device,
  type Mailbox,
  type Message,
  type PendingEnvelope,
  type Session,
} from './state.ts';

export interface NewEnvelope extends PendingEnvelope {
  readonly contact: string;
  readonly device: number;
  readonly type: number;
  readonly ciphertext: Uint8Array;
}

/** What a device is to hear of something that it sent. */
export interface NewOutcome {
  readonly contact: string;
  readonly device: number;
  readonly outcome: 'received' | 'unreadable';
  readonly id: string;
  readonly attempt: number;
}

export interface EncryptWork {
  readonly messageId: string;
  /** Only for this device; absent: for all. */
  readonly device: number | undefined;
}

/** Where an effect comes from: the append time, and the id that its events are made from. */
export interface Cause {
  readonly id: string;
  readonly timeMs: number;
}

export class Changes {
  readonly events: EventWriter;
  readonly touched = new Set<ContactState>();
  /** What is to be encrypted, by contact. */
  readonly toEncrypt = new Map<ContactState, EncryptWork[]>();
  /** New envelopes, to be pushed after the commit. */
  readonly envelopes: NewEnvelope[] = [];
  /** To be told after the commit. */
  readonly outcomes: NewOutcome[] = [];
  readonly drops = new Map<string, number>();
  readonly ended: { readonly state: MessageState; readonly code: string }[] = [];
  /** Append times of what got its first envelope, and of what its first device has acknowledged. */
  readonly acceptedMs = { sent: new Array<number>(), delivered: new Array<number>() };
  acceptedCount = 0;

  readonly contacts = new Set<ContactState>();
  readonly relations = new Map<string, readonly SqlValue[]>();
  readonly sessions = new Map<string, readonly SqlValue[]>();
  readonly baseKeys: (readonly SqlValue[])[] = [];
  readonly messages = new Map<string, { readonly state: ContactState; readonly message: Message }>();
  readonly mailboxes = new Map<string, { readonly state: ContactState; readonly device: number }>();
  readonly removedEnvelopes: (readonly SqlValue[])[] = [];
  readonly settledEnvelopes: (readonly SqlValue[])[] = [];
  readonly removedDevices: (readonly [string, number])[] = [];
  readonly heldRecords: (readonly SqlValue[])[] = [];
  readonly replies: (readonly SqlValue[])[] = [];

  readonly #incarnation: number;

  constructor(options: { readonly incarnation: number; readonly eventBuckets: number }) {
    this.#incarnation = options.incarnation;
    this.events = new EventWriter(options.eventBuckets);
  }

  get isEmpty(): boolean {
    return this.touched.size === 0 && this.events.count === 0;
  }

  apply(state: ContactState, effect: Effect, cause: Cause): void {
    this.touched.add(state);
    switch (effect.kind) {
      case 'accept':
        this.#accept(state, effect.message, effect.held, cause);
        return;
      case 'refuse': {
        const message = this.#newMessage(state, effect.message, 'failed', '');
        this.events.messageState(state.number, message, 'failed', cause.timeMs, effect.failure);
        this.ended.push({ state: 'failed', code: effect.failure.reason });
        return;
      }
      case 'end':
        this.removeEnvelopesOf(state, effect.message.messageId);
        this.move(state, effect.message, effect.state, cause.timeMs, effect.failure);
        return;
      case 'requeue': {
        this.removeEnvelopesOf(state, effect.message.messageId);
        const message = this.setMessage(state, { ...effect.message, held: effect.held });
        if (effect.held === '') this.encryptLater(state, message);
        return;
      }
      case 'set_relation':
        state.relations.set(effect.business, effect.relation);
        this.relations.set(`${state.number}/${effect.business}`, [
          state.number,
          effect.business,
          JSON.stringify(effect.relation),
        ]);
        return;
      case 'add_device':
        this.#setDevices(state, [...state.contact.devices, effect.device], state.contact.identityKey);
        return;
      case 'replace_devices':
        for (const { device } of state.contact.devices) this.#removeDevice(state, device);
        this.#setDevices(state, [effect.device], effect.device.identityKey);
        return;
      case 'acknowledge_session': {
        const session = state.sessions.get(sessionKey(effect.number, effect.device));
        if (session !== undefined && !session.acknowledged) this.setSession(state, { ...session, acknowledged: true });
        return;
      }
      case 'received': {
        const { device, messageId, sealedBody } = effect;
        this.replies.push([messageId, state.number, device, cause.timeMs]);
        this.events.write(
          effect.business,
          state.number,
          effect.number,
          cause.timeMs,
          `${device}:${messageId}received`,
          {
            case: 'received',
            value: { messageId, sealedBody },
          },
        );
        return;
      }
      case 'tell_device': {
        const { device, outcome, id, attempt } = effect;
        this.outcomes.push({ contact: state.number, device, outcome, id, attempt });
        return;
      }
      case 'opt_in_changed':
        this.events.write(effect.business, state.number, '', cause.timeMs, `${cause.id}${effect.optIn}`, {
          case: 'optIn',
          value: { state: effect.optIn, cause: effect.cause },
        });
        return;
      case 'block_changed':
        this.events.write(effect.business, state.number, effect.number, cause.timeMs, `${cause.id}block`, {
          case: 'block',
          value: { blocked: effect.blocked },
        });
        return;
      case 'identity_changed': {
        const identityHash = createHash('sha256').update(Buffer.from(effect.identityKey, 'base64')).digest('hex');
        this.events.write(effect.business, state.number, '', cause.timeMs, `${cause.id}identity`, {
          case: 'identity',
          value: { identityHash, policy: effect.policy },
        });
        return;
      }
      case 'drop':
        this.drops.set(effect.reason, (this.drops.get(effect.reason) ?? 0) + 1);
        return;
    }
  }

  /** Reports a message in a state: emits every state that is entered on the way. */
  move(state: ContactState, message: Message, to: MessageState, timeMs: number, failure?: Failure): Message {
    const entered = transition(message.state, to);
    for (const step of entered) {
      this.events.messageState(state.number, message, step, timeMs, step === 'failed' ? failure : undefined);
      if (step === 'sent' || step === 'delivered') this.acceptedMs[step].push(message.acceptedMs);
    }
    const last = entered.at(-1);
    if (last === undefined) return message;
    const ends = last !== 'accepted' && last !== 'sent';
    if (ends) this.ended.push({ state: last, code: failure?.reason ?? '' });
    return this.setMessage(state, { ...message, state: last, sealedBody: ends ? undefined : message.sealedBody });
  }

  setMessage(state: ContactState, message: Message): Message {
    this.touched.add(state);
    const waits = message.state === 'accepted' || message.state === 'sent';
    // Setting a key that is there keeps its place, so `waiting` stays in lane order.
    if (waits) state.waiting.set(message.messageId, message);
    else state.waiting.delete(message.messageId);
    this.messages.set(message.messageId, { state, message });
    return message;
  }

  setSession(state: ContactState, session: Session): void {
    this.touched.add(state);
    state.sessions.set(sessionKey(session.number, session.device), session);
    this.sessions.set(`${state.number}/${sessionKey(session.number, session.device)}`, [
      state.number,
      session.number,
      session.device,
      session.sessionNo,
      session.version,
      session.incarnation,
      session.acknowledged ? 1 : 0,
      session.startedMs,
      session.baseKey,
      session.sealed,
    ]);
  }

  setMailbox(state: ContactState, device: number, mailbox: Mailbox): void {
    this.touched.add(state);
    state.mailboxes.set(device, mailbox);
    this.mailboxes.set(`${state.number}/${device}`, { state, device });
  }

  mailboxOf(state: ContactState, device: number): Mailbox {
    return state.mailboxes.get(device) ?? { ...emptyMailbox, incarnation: firstCountOf(this.#incarnation) };
  }

  addEnvelope(
    state: ContactState,
    device: number,
    message: Message,
    sessionNo: number,
    type: number,
    ciphertext: Uint8Array,
  ): void {
    const mailbox = this.mailboxOf(state, device);
    const { messageId, number } = message;
    const envelope: PendingEnvelope = {
      envelopeNo: lastEnvelopeNo(mailbox) + 1,
      messageId,
      number,
      sessionNo,
      removed: false,
    };
    if (!state.mailboxes.has(device)) this.mailboxes.set(`${state.number}/${device}`, { state, device });
    state.mailboxes.set(device, { ...mailbox, pending: [...mailbox.pending, envelope] });
    this.envelopes.push({ ...envelope, contact: state.number, device, type, ciphertext });
  }

  /**
   * Leaves only the numbers of a message's envelopes. Envelopes are made after everything was
   * decided, so the rows are there.
   */
  removeEnvelopesOf(state: ContactState, messageId: string): void {
    for (const device of state.mailboxes.keys()) {
      this.removeEnvelopes(state, device, (envelope) => envelope.messageId === messageId);
    }
  }

  removeEnvelopes(
    state: ContactState,
    device: number,
    isRemoved: (envelope: PendingEnvelope) => boolean,
  ): PendingEnvelope[] {
    const mailbox = state.mailboxes.get(device);
    const removed = mailbox?.pending.filter((envelope) => !envelope.removed && isRemoved(envelope)) ?? [];
    if (mailbox === undefined || removed.length === 0) return [];
    this.touched.add(state);
    const gone = new Set(removed);
    const pending = mailbox.pending.map((envelope) => (gone.has(envelope) ? { ...envelope, removed: true } : envelope));
    state.mailboxes.set(device, { ...mailbox, pending });
    for (const { envelopeNo } of removed) this.removedEnvelopes.push([state.number, device, envelopeNo]);
    return removed;
  }

  /** The device has settled everything up to an envelope: the rows go. */
  settle(state: ContactState, device: number, mailbox: Mailbox, throughNo: number): void {
    const pending = mailbox.pending.filter((envelope) => envelope.envelopeNo > throughNo);
    this.setMailbox(state, device, { ...mailbox, acknowledgedNo: throughNo, pending });
    this.settledEnvelopes.push([state.number, device, throughNo]);
  }

  encryptLater(state: ContactState, message: Message, device?: number): void {
    const work: EncryptWork = { messageId: message.messageId, device };
    const list = this.toEncrypt.get(state);
    if (list === undefined) this.toEncrypt.set(state, [work]);
    else list.push(work);
  }

  #accept(state: ContactState, accepted: NewMessage, held: Message['held'], cause: Cause): void {
    const message = this.#newMessage(state, accepted, 'accepted', held);
    this.events.messageState(state.number, message, 'accepted', cause.timeMs);
    this.acceptedCount += 1;
    if (held === '') this.encryptLater(state, message);
  }

  #newMessage(state: ContactState, message: NewMessage, messageState: MessageState, held: Message['held']): Message {
    state.laneNo += 1;
    const sealedBody = messageState === 'accepted' ? message.sealedBody : undefined;
    return this.setMessage(state, {
      ...message,
      laneNo: state.laneNo,
      state: messageState,
      held,
      tries: 0,
      sealedBody,
    });
  }

  #setDevices(state: ContactState, devices: readonly Device[], identityKey: string): void {
    state.contact = { ...state.contact, devices, identityKey };
    this.contacts.add(state);
  }

  #removeDevice(state: ContactState, device: number): void {
    state.mailboxes.delete(device);
    this.mailboxes.delete(`${state.number}/${device}`);
    for (const [key, session] of state.sessions) {
      if (session.device !== device) continue;
      state.sessions.delete(key);
      this.sessions.delete(`${state.number}/${key}`);
    }
    this.removedDevices.push([state.number, device]);
  }
}
