/** MessageService: messages in, one by one or as a stream; their timelines; cancelling. */
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ChappeError } from '@chappe/errors/chappe-error';
import { highest, isMessageState, type MessageState } from '@chappe/message-state/message-state';
import { phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import { CancelCommandSchema } from '@chappe/proto/internal/commands';
import { MessageState as MessageStateOnWire } from '@chappe/proto/v1/event';
import { MessageService, type SendRequest } from '@chappe/proto/v1/message_service';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Store } from '@chappe/store/store';
import type { Business } from './businesses.ts';
import type { Commands } from './commands.ts';
import type { EventFeed } from './event-feed.ts';
import { readTimeline, type StoredEvent } from './event-table.ts';
import { stateOnWire, viewEvent, withPlus } from './event-view.ts';
import { firstEventWaitMs, newMessageMs, retentionMs, timelineEventsMax } from './limits.ts';
import { isMessageIdOf, messageIdTimeMs } from './message-id.ts';
import type { SendOutcome } from './send-batcher.ts';
import { sendStream, type SendStreamDependencies } from './send-stream.ts';
import { prepared, sendMeans } from './send.ts';
import { answeringStoreErrors } from './store-errors.ts';

export interface MessageServiceDependencies extends SendStreamDependencies {
  readonly store: Store;
  readonly feed: EventFeed;
  readonly commands: Commands;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function messageService(dependencies: MessageServiceDependencies): Implementation {
  const { callers, commands } = dependencies;
  return implement(MessageService, {
    send: async (request, { bearer }) => {
      const business = await callers.business(bearer);
      const outcome = await send(dependencies, business, request);
      dependencies.events.sent(business.id, outcome);
      if (outcome.kind === 'refused') throw outcome.error;
      return { messageId: outcome.messageId };
    },

    sendStream: (stream) => sendStream(dependencies, stream),

    get: async ({ messageId }, { bearer, signal }) => {
      const business = await callers.business(bearer);
      const timeline = await timelineOf(dependencies, business, messageId, signal);
      if (timeline.length === 0) {
        // It was given this id: the log has the message and its range has not come to it yet.
        const acceptedAt = timestampFromMs(messageIdTimeMs(messageId));
        return { messageId, state: MessageStateOnWire.ACCEPTED, acceptedAt };
      }
      const events = [];
      for (const stored of timeline) events.push(await viewEvent(dependencies, business, stored));
      const [first] = timeline;
      const state = stateOf(timeline);
      const failure = events
        .map(({ kind }) => (kind.case === 'state' ? kind.value.error : undefined))
        .find((error) => error !== undefined);
      return {
        messageId,
        from: withPlus(first?.event.number ?? ''),
        to: withPlus(first?.event.contact ?? ''),
        state: stateOnWire[state],
        ...(state === 'failed' && failure !== undefined ? { error: failure } : {}),
        timeline: events,
        acceptedAt: timestampFromMs(Number(first?.event.timeMs ?? 0n)),
      };
    },

    cancel: async ({ messageId }, { bearer, signal }) => {
      const business = await callers.business(bearer);
      const [first] = await timelineOf(dependencies, business, messageId, signal);
      if (first === undefined) {
        throw new ChappeError(
          'notReady',
          'the message is accepted and not yet worked on; cancel it again in a moment',
          {
            retryAfterMs: 500,
          },
        );
      }
      const contact = phoneNumberFromDigits(first.event.contact);
      await commands.append(contact, {
        case: 'cancel',
        value: create(CancelCommandSchema, { business: business.id, messageId }),
      });
      return {};
    },
  });
}

async function send(
  dependencies: MessageServiceDependencies,
  business: Business,
  request: SendRequest,
): Promise<SendOutcome> {
  const { rates, batcher, events } = dependencies;
  const waitMs = rates.take(business.id, 1);
  if (waitMs > 0) {
    const error = new ChappeError('tooManyRequests', 'the rate of this business is reached', { retryAfterMs: waitMs });
    return { kind: 'refused', error };
  }
  const means = await sendMeans(dependencies, business, [request]);
  const message = prepared(means, request, events);
  if (message instanceof ChappeError) return { kind: 'refused', error: message };
  return new Promise((settle) => {
    batcher.submit({ business, key: means.key, prepared: message, isBehindRefused: () => false, settle });
  });
}

/**
 * The events of a message of this business. Those of a new message are waited for, for a moment;
 * none means that it is accepted and nothing has happened yet.
 *
 * @throws ChappeError `notFound` if this business was never given the id, or it is forgotten
 */
async function timelineOf(
  { store, feed, now }: MessageServiceDependencies,
  business: Business,
  messageId: string,
  signal: AbortSignal,
): Promise<StoredEvent[]> {
  using listener = feed.listen(business.id);
  const isKnown = isMessageIdOf(business, messageId);
  const ageMs = isKnown ? now() - messageIdTimeMs(messageId) : Number.POSITIVE_INFINITY;
  const untilMs = performance.now() + (ageMs < newMessageMs ? firstEventWaitMs : 0);
  for (;;) {
    const timeline = await answeringStoreErrors(() => readTimeline(store, business.id, messageId, timelineEventsMax));
    if (timeline.length > 0) return timeline;
    if (ageMs > retentionMs) throw new ChappeError('notFound', 'no message with this id');
    const leftMs = untilMs - performance.now();
    if (leftMs <= 0 || signal.aborted) return [];
    await listener.wait(Math.min(leftMs, pollMs), signal);
  }
}

/** Another gateway may write the events: looked at so often. */
const pollMs = 100;

function stateOf(timeline: readonly StoredEvent[]): MessageState {
  const states = timeline.map(({ event }) => (event.kind.case === 'state' ? event.kind.value.state : 'accepted'));
  return states.filter(isMessageState).reduce(highest, 'accepted');
}
