/** What `decide` can say. `Changes` turns each into rows, events and work. */
import type { ErrorName } from '@chappe/errors/catalogue';
import type { Device, Held, IdentityPolicy, Message, OptIn, Price, Relation } from './state.ts';

/** Why a message ended without being shown. */
export interface Failure {
  readonly reason: ErrorName;
  /** What was wrong, without content. */
  readonly detail: string;
}

export type Effect =
  /** A new message is let through; it is encrypted in this batch unless it is held. */
  | { readonly kind: 'accept'; readonly message: NewMessage; readonly held: Held }
  /** A new message is not let through. */
  | { readonly kind: 'refuse'; readonly message: NewMessage; readonly failure: Failure }
  /** A waiting message ends; its envelopes are removed. */
  | {
      readonly kind: 'end';
      readonly message: Message;
      readonly state: 'failed' | 'expired' | 'cancelled';
      readonly failure?: Failure;
    }
  /** A waiting message loses its envelopes and is held for another reason, or encrypted anew (''). */
  | { readonly kind: 'requeue'; readonly message: Message; readonly held: Held }
  | { readonly kind: 'set_relation'; readonly business: string; readonly relation: Relation }
  | { readonly kind: 'add_device'; readonly device: Device }
  /** The device is the person's only one now; `identityKey` is the person's identity. */
  | { readonly kind: 'replace_devices'; readonly device: Device }
  | { readonly kind: 'acknowledge_session'; readonly number: string; readonly device: number }
  | {
      readonly kind: 'received';
      readonly business: string;
      readonly number: string;
      readonly device: number;
      /** The id inside the ciphertext. */
      readonly messageId: string;
      readonly sealedBody: Uint8Array;
    }
  /** What became of something that a device sent: its Outbound's id and attempt. */
  | {
      readonly kind: 'tell_device';
      readonly outcome: 'received' | 'unreadable';
      readonly device: number;
      readonly id: string;
      readonly attempt: number;
    }
  | { readonly kind: 'opt_in_changed'; readonly business: string; readonly optIn: OptIn; readonly cause: OptInCause }
  | { readonly kind: 'block_changed'; readonly business: string; readonly number: string; readonly blocked: boolean }
  | {
      readonly kind: 'identity_changed';
      readonly business: string;
      readonly policy: IdentityPolicy;
      readonly identityKey: string;
    }
  /** Nothing happens; counted by its reason. */
  | { readonly kind: 'drop'; readonly reason: DropReason };

/** What a business hears of whoever blocked it: no more than that. */
export const unreachable: Failure = {
  reason: 'undeliverable',
  detail: 'the person cannot be reached by this business',
};

export type OptInCause = 'business' | 'stop_word' | 'start_word' | 'identity_changed';

export type DropReason =
  | 'repeat'
  | 'unknown_device'
  | 'undecryptable'
  | 'too_late'
  | 'older'
  | 'unchanged'
  | 'too_many_devices'
  | 'tick';

/** A message before it has a place in its lane. */
export interface NewMessage {
  readonly messageId: string;
  readonly business: string;
  readonly number: string;
  readonly identityPolicy: IdentityPolicy;
  readonly echo: string;
  readonly price: Price;
  readonly acceptedMs: number;
  readonly expiresMs: number;
  readonly sealedBody: Uint8Array;
}
