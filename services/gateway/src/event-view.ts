/** An event as its business sees it: numbers with `+`, a cursor, the text of a reply. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { decodeMessage } from '@chappe/codec/codec';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { errorNameOf } from '@chappe/errors/catalogue';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { MessageState as MessageStateName } from '@chappe/message-state/message-state';
import { ReplySchema } from '@chappe/proto/device/content';
import type { MessageStateEvent, PriceDecision } from '@chappe/proto/internal/events';
import { EventSchema, MessageState, OptInState, type Event } from '@chappe/proto/v1/event';
import { toWireError } from '@chappe/rpc/status';
import { boundToReply } from '@chappe/seal/bound-to';
import type { Business } from './businesses.ts';
import { formatCursor } from './cursor.ts';
import type { DataKeys } from './data-keys.ts';
import type { StoredEvent } from './event-table.ts';
import type { GatewayEvents } from './events.ts';

export interface EventViewDependencies {
  readonly dataKeys: DataKeys;
  readonly events: GatewayEvents;
}

type Kind = Exclude<MessageInitShape<typeof EventSchema>['kind'], undefined>;

export const stateOnWire: Record<MessageStateName, MessageState> = {
  accepted: MessageState.ACCEPTED,
  sent: MessageState.SENT,
  delivered: MessageState.DELIVERED,
  read: MessageState.READ,
  failed: MessageState.FAILED,
  expired: MessageState.EXPIRED,
  cancelled: MessageState.CANCELLED,
};

const optInOnWire: Readonly<Record<string, OptInState>> = {
  opted_in: OptInState.OPTED_IN,
  opted_out: OptInState.OPTED_OUT,
  unconfirmed: OptInState.UNCONFIRMED,
};

/** @throws ChappeError when a reply cannot be opened now */
export async function viewEvent(
  dependencies: EventViewDependencies,
  business: Business,
  stored: StoredEvent,
): Promise<Event> {
  const { no, event } = stored;
  const kind =
    event.kind.case === 'received' ? await received(dependencies, business, event.kind.value) : plainKind(event.kind);
  return create(EventSchema, {
    id: event.id,
    cursor: formatCursor(business, no),
    time: timestampFromMs(Number(event.timeMs)),
    contact: withPlus(event.contact),
    number: withPlus(event.number),
    kind,
  });
}

/** Digits with `+`; absent stays absent. */
export function withPlus(digits: string): string {
  return digits === '' ? '' : `+${digits}`;
}

function plainKind(kind: Exclude<StoredEvent['event']['kind'], { case: 'received' }>): Kind {
  switch (kind.case) {
    case 'state':
      return { case: 'state', value: stateChanged(kind.value) };
    case 'optIn':
      return {
        case: 'optIn',
        value: { state: optInOnWire[kind.value.state] ?? OptInState.UNSPECIFIED, cause: kind.value.cause },
      };
    case 'block':
      return { case: 'block', value: { blocked: kind.value.blocked } };
    case 'identity':
      return { case: 'identity', value: { identityHash: kind.value.identityHash, policy: kind.value.policy } };
    case undefined:
      return { case: undefined };
  }
}

function stateChanged(event: MessageStateEvent): Extract<Kind, { case: 'state' }>['value'] {
  const { messageId, state, code, detail, echo, price } = event;
  return {
    messageId,
    state: stateOnWire[state as MessageStateName] ?? MessageState.UNSPECIFIED,
    echo,
    ...(state === 'failed' ? { error: toWireError(new ChappeError(errorNameOf(code), detail)) } : {}),
    ...(state === 'accepted' && price !== undefined ? { pricing: pricing(price) } : {}),
  };
}

function pricing({ country, category, windowOpen, micros, currency, priceBook }: PriceDecision) {
  return { country, category, windowOpen, price: { currency, micros }, priceBook };
}

async function received(
  { dataKeys, events }: EventViewDependencies,
  business: Business,
  event: { readonly messageId: string; readonly sealedBody: Uint8Array },
): Promise<Kind> {
  const { messageId, sealedBody } = event;
  const opened = await dataKeys.open(business.id, sealedBody, boundToReply(business.id, messageId));
  if (opened === undefined) {
    events.replyUnreadable(messageId);
    return { case: 'received', value: { messageId } };
  }
  const { text, inReplyTo } = decodeMessage(ReplySchema, opened);
  return { case: 'received', value: { messageId, text, inReplyTo } };
}
