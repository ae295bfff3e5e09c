/**
 * What an event means for the ledger: pure.
 *
 * A message is first reserved (`accepted`), then either settled (`delivered`: the one entry) or
 * released (`failed`, `expired`, `cancelled`); both are final. Repeats change nothing. A receipt
 * after a release changes nothing either: what failed is not charged. The price, window included,
 * is the one that the event carries: it was decided with `accepted`, and billing never decides it again.
 */
import { isMessageState } from '@chappe/message-state/message-state';
import type { BusinessEvent, MessageStateEvent, PriceDecision } from '@chappe/proto/internal/events';

export type BookingState = 'reserved' | 'settled' | 'released';

/** A ledger entry that has no number yet. */
export interface Charge {
  readonly messageId: string;
  readonly timeMs: number;
  readonly country: string;
  readonly category: string;
  readonly windowOpen: boolean;
  readonly micros: number;
  readonly currency: string;
  readonly priceBook: string;
}

export type Effect =
  | { readonly kind: 'reserve'; readonly micros: number }
  | { readonly kind: 'settle'; readonly charge: Charge }
  | { readonly kind: 'release' }
  /** `late`: the contrary of what was booked, after it was booked. */
  | { readonly kind: 'nothing'; readonly because: 'repeat' | 'late' | 'irrelevant' };

const irrelevant: Effect = { kind: 'nothing', because: 'irrelevant' };
const repeat: Effect = { kind: 'nothing', because: 'repeat' };
const late: Effect = { kind: 'nothing', because: 'late' };

/** The message that an event is about, as far as billing cares. */
export function messageOf(event: BusinessEvent): MessageStateEvent | undefined {
  return event.kind.case === 'state' ? event.kind.value : undefined;
}

/**
 * @param booked how far this message got before; undefined: not seen yet
 * @throws Error for a state that this version does not know, or a price that is missing
 */
export function book(booked: BookingState | undefined, message: MessageStateEvent, timeMs: number): Effect {
  const { state, messageId } = message;
  if (!isMessageState(state)) throw new Error(`an event of message ${messageId} has a state that is not known`);
  switch (state) {
    case 'accepted':
      return booked === undefined ? { kind: 'reserve', micros: Number(priceOf(message).micros) } : repeat;
    case 'sent':
      return irrelevant;
    case 'delivered':
    case 'read':
      // A message that was read was delivered, whichever event is seen first.
      if (booked === 'settled') return repeat;
      if (booked === 'released') return late;
      return { kind: 'settle', charge: chargeOf(message, timeMs) };
    case 'failed':
    case 'expired':
    case 'cancelled':
      if (booked === 'released') return repeat;
      if (booked === 'settled') return late;
      return { kind: 'release' };
  }
}

function chargeOf(message: MessageStateEvent, timeMs: number): Charge {
  const { country, category, windowOpen, micros, currency, priceBook } = priceOf(message);
  const { messageId } = message;
  return { messageId, timeMs, country, category, windowOpen, micros: Number(micros), currency, priceBook };
}

function priceOf({ messageId, price }: MessageStateEvent): PriceDecision {
  if (price === undefined) throw new Error(`an event of message ${messageId} carries no price decision`);
  if (price.micros < 0n) throw new Error(`an event of message ${messageId} carries a price below 0`);
  return price;
}
