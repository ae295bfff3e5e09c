/**
 * What a range worker knows of one contact: its rows, in memory.
 *
 * A `ContactState` is loaded whole, changed only by `Changes` while a batch is prepared, and
 * dropped from the cache if that batch does not commit. Times are milliseconds since 1970, on the
 * log's clock.
 */
import type { MessageState } from '@chappe/message-state/message-state';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import { firstIncarnation } from '@chappe/store/store-mark';
import { countsOfIncarnation } from './limits.ts';

export interface Device {
  readonly device: number;
  readonly registrationId: number;
  /** Base64. */
  readonly identityKey: string;
}

export interface Contact {
  /** In log order; the primary device first. */
  readonly devices: readonly Device[];
  /** The last primary device's identity key, base64; '' before the first registration. */
  readonly identityKey: string;
}

export type OptIn = 'none' | 'opted_in' | 'opted_out' | 'unconfirmed';

export type IdentityPolicy = 'hold' | 'resend' | 'fail';

/** What stands between a person and a business. */
export interface Relation {
  readonly optIn: OptIn;
  readonly source: string;
  readonly wording: string;
  readonly givenAtMs: number;
  /** By the log's clock; 0: they never did. */
  readonly optedOutAtMs: number;
  readonly blocked: boolean;
  /** By business number: the time of the person's last message to it. */
  readonly lastInboundMs: Readonly<Record<string, number>>;
  /** Times of the latest marketing messages, oldest first; never more than the cap. */
  readonly marketingMs: readonly number[];
  /** By business number with a limit: until when what it sent takes its place, one interval for each message. */
  readonly pairUntilMs: Readonly<Record<string, number>>;
  /** The business's policy, as its latest send said. */
  readonly identityPolicy: IdentityPolicy;
  /** The person's identity changed and the business has not acknowledged the new one. */
  readonly identityPending: boolean;
}

export interface Session {
  readonly number: string;
  readonly device: number;
  /** Grows by one with each new session; tells the device which envelopes belong together. */
  readonly sessionNo: number;
  /** Grows with each change of `sealed`, which is bound to it. */
  readonly version: number;
  readonly incarnation: number;
  /** The device has answered under it. */
  readonly acknowledged: boolean;
  /** `neverAgain`: the device refuses it, so the next message starts a new one. */
  readonly startedMs: number;
  /** Base64, if the device started it; else ''. */
  readonly baseKey: string;
  readonly sealed: Uint8Array;
}

/** As the start of a session: nothing may be encrypted under it any more. */
export const neverAgain = 0;

export interface PendingEnvelope {
  readonly envelopeNo: number;
  readonly messageId: string;
  readonly number: string;
  readonly sessionNo: number;
  /** Only its number is left. */
  readonly removed: boolean;
}

export interface Mailbox {
  readonly incarnation: number;
  /** Everything up to here is settled with the device. */
  readonly acknowledgedNo: number;
  /** What may have been pushed before the present attachment. */
  readonly pushedNo: number;
  /** While a device is attached, everything may have been pushed. */
  readonly attached: boolean;
  /** In order, without gaps, from `acknowledgedNo + 1` on. */
  readonly pending: readonly PendingEnvelope[];
}

/** Why an accepted message is not encrypted yet. */
export type Held = '' | 'identity' | 'prekeys' | 'key';

export interface Price {
  readonly country: string;
  readonly category: string;
  readonly windowOpen: boolean;
  readonly micros: number;
  readonly currency: string;
  readonly priceBook: string;
}

export interface Message {
  readonly messageId: string;
  readonly business: string;
  readonly number: string;
  readonly laneNo: number;
  readonly state: MessageState;
  readonly held: Held;
  /** How many sessions it was encrypted under for one device, at most. */
  readonly tries: number;
  readonly identityPolicy: IdentityPolicy;
  readonly echo: string;
  readonly price: Price;
  readonly acceptedMs: number;
  readonly expiresMs: number;
  /** Kept until the first device has shown the message, or it ends. */
  readonly sealedBody: Uint8Array | undefined;
}

export interface ContactState {
  readonly number: PhoneNumber;
  contact: Contact;
  /** By business. */
  readonly relations: Map<string, Relation>;
  /** By `sessionKey`. */
  readonly sessions: Map<string, Session>;
  /** By device. */
  readonly mailboxes: Map<number, Mailbox>;
  /** Those that nobody has yet (accepted or sent), by id, in lane order. */
  readonly waiting: Map<string, Message>;
  /** The newest place among those that wait; only their order among themselves counts. */
  laneNo: number;
  /** Commands that could not be read, and those behind them. */
  heldRecords: number;
}

export const noContact: Contact = { devices: [], identityKey: '' };

export const noRelation: Relation = {
  optIn: 'none',
  source: '',
  wording: '',
  givenAtMs: 0,
  optedOutAtMs: 0,
  blocked: false,
  lastInboundMs: {},
  marketingMs: [],
  pairUntilMs: {},
  identityPolicy: 'hold',
  identityPending: false,
};

/**
 * Mailboxes count from here on in an incarnation of their store. In between, a single mailbox may begin anew so many
 * times, when its device has seen more than the store knows of (device-work.ts): a count is never used again.
 */
export function firstCountOf(incarnation: number): number {
  return (incarnation - firstIncarnation) * countsOfIncarnation + 1;
}

export const emptyMailbox: Mailbox = { incarnation: 0, acknowledgedNo: 0, pushedNo: 0, attached: false, pending: [] };

export function sessionKey(number: string, device: number): string {
  return `${number}/${device}`;
}

/** The number of the newest envelope that the mailbox has ever had. */
export function lastEnvelopeNo(mailbox: Mailbox): number {
  return mailbox.pending.at(-1)?.envelopeNo ?? mailbox.acknowledgedNo;
}

/** Whether some device's mailbox holds it: then the message is on its way. */
export function isPending(state: ContactState, messageId: string): boolean {
  for (const { pending } of state.mailboxes.values()) {
    if (pending.some((envelope) => envelope.messageId === messageId && !envelope.removed)) return true;
  }
  return false;
}

/** Whether some device may have been handed the message already. */
export function mayBePushed(state: ContactState, messageId: string): boolean {
  for (const mailbox of state.mailboxes.values()) {
    for (const envelope of mailbox.pending) {
      // Removed as well: it may have been pushed before, and its number waits until the device has settled it.
      if (envelope.messageId !== messageId) continue;
      if (mailbox.attached || envelope.envelopeNo <= mailbox.pushedNo) return true;
    }
  }
  return false;
}
