/**
 * EventService: a business's events from a cursor on.
 *
 * A subscriber that keeps up gets what was just committed; one that does not reads the table, a frame
 * when the last was taken, so a slow one costs no memory.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import {
  EventService,
  Start,
  type SubscribeRequest,
  type SubscribeResponseSchema,
} from '@chappe/proto/v1/event_service';
import { implement, type CallContext, type Implementation } from '@chappe/rpc/server';
import type { Store } from '@chappe/store/store';
import type { Business } from './businesses.ts';
import type { Callers } from './callers.ts';
import { formatCursor, parseCursor } from './cursor.ts';
import type { EventFeed } from './event-feed.ts';
import { lastEventNo, readEvents, type StoredEvent } from './event-table.ts';
import { viewEvent, type EventViewDependencies } from './event-view.ts';
import { eventPollMs, eventsPerFrameMax } from './limits.ts';
import { answeringStoreErrors } from './store-errors.ts';

export interface EventServiceDependencies extends EventViewDependencies {
  readonly callers: Callers;
  readonly store: Store;
  readonly feed: EventFeed;
  /** Aborted when the gateway stops: streams end and clients go on at another one. */
  readonly stopping: AbortSignal;
}

type Frame = MessageInitShape<typeof SubscribeResponseSchema>;

export function eventService(dependencies: EventServiceDependencies): Implementation {
  return implement(EventService, { subscribe: (request, context) => subscribe(dependencies, request, context) });
}

async function* subscribe(
  dependencies: EventServiceDependencies,
  request: SubscribeRequest,
  { bearer, signal }: CallContext,
): AsyncIterable<Frame> {
  const { callers, store, feed, events, stopping } = dependencies;
  let business = await callers.business(bearer);
  const ended = AbortSignal.any([signal, stopping]);
  using listener = feed.listen(business.id);
  const newest = await answeringStoreErrors(() => lastEventNo(store, business.id));
  let at = placeOf(request, business, newest);
  events.subscribers(1);
  try {
    let isFirst = true;
    while (!ended.aborted) {
      const limit = request.untilNow ? Math.min(eventsPerFrameMax, newest - at) : eventsPerFrameMax;
      const stored =
        limit <= 0
          ? []
          : (listener.take(at, limit) ?? (await answeringStoreErrors(() => readEvents(store, business.id, at, limit))));
      at = stored.at(-1)?.no ?? at;
      if (stored.length > 0 || isFirst) yield await frameOf(dependencies, business, stored, at);
      isFirst = false;
      if (request.untilNow && (at >= newest || stored.length === 0)) return;
      if (stored.length < eventsPerFrameMax) await listener.wait(eventPollMs, ended);
      // Asked again: a key that is revoked meanwhile ends the stream.
      if (!ended.aborted) business = await callers.business(bearer);
    }
    if (!signal.aborted)
      throw new ChappeError('notReady', 'the gateway is stopping; subscribe again from the last cursor');
  } finally {
    events.subscribers(-1);
  }
}

function placeOf({ cursor, start }: SubscribeRequest, business: Business, newest: number): number {
  if (cursor !== '') return parseCursor(business, cursor);
  switch (start) {
    case Start.UNSPECIFIED:
    case Start.EARLIEST:
      return 0;
    case Start.NOW:
      return newest;
    default:
      throw new ChappeError('parameterInvalid', 'start: earliest or now');
  }
}

async function frameOf(
  dependencies: EventServiceDependencies,
  business: Business,
  stored: readonly StoredEvent[],
  at: number,
): Promise<Frame> {
  const events = [];
  for (const event of stored) events.push(await viewEvent(dependencies, business, event));
  return { events, cursor: formatCursor(business, at) };
}
