/** Events as one endless sequence, whatever connections do in between. */
import { toChappeError } from '@chappe/errors/chappe-error';
import type { Event } from '@chappe/proto/v1/event';
import { Start, type EventService } from '@chappe/proto/v1/event_service';
import type { Client } from '@chappe/rpc/client';
import { backoffMs, pause } from './backoff.ts';
import { rememberedEventsMax } from './limits.ts';

export interface SubscribeOptions {
  /** Go on after this cursor. Absent: from `start`. */
  readonly cursor?: string;
  readonly start?: 'earliest' | 'now';
  /** End once everything that is there now has come. */
  readonly untilNow?: boolean;
  /** Ends the sequence. */
  readonly signal?: AbortSignal;
  /** Told once the stream stands, each time it is opened: with `now`, what happens from here on comes. */
  readonly onOpen?: () => void;
}

/**
 * Each event once, in order per contact; `event.cursor` is where to go on after it. Ended
 * connections are opened again from the last cursor.
 *
 * @throws ChappeError what does not pass: a revoked key, a wrong cursor
 */
export async function* subscribe(client: Client<typeof EventService>, options: SubscribeOptions): AsyncIterable<Event> {
  const { signal, untilNow = false, onOpen } = options;
  const start = options.start === 'now' ? Start.NOW : Start.EARLIEST;
  const seen = new Set<string>();
  let cursor = options.cursor ?? '';
  let failures = 0;
  for (;;) {
    if (signal?.aborted === true) return;
    try {
      const frames = client.subscribe({ cursor, start, untilNow }, signal === undefined ? {} : { signal });
      let isOpen = false;
      for await (const frame of frames) {
        failures = 0;
        if (!isOpen) onOpen?.();
        isOpen = true;
        for (const event of frame.events) {
          if (isNew(seen, event.id)) yield event;
          cursor = event.cursor;
        }
        cursor = frame.cursor;
      }
      if (untilNow) return;
    } catch (error) {
      const refusal = toChappeError(error);
      if (refusal.entry.retry !== 'same') throw refusal;
    }
    failures += 1;
    await pause(backoffMs(failures), signal);
  }
}

function isNew(seen: Set<string>, id: string): boolean {
  if (seen.has(id)) return false;
  seen.add(id);
  if (seen.size > rememberedEventsMax) {
    const [oldest] = seen;
    if (oldest !== undefined) seen.delete(oldest);
  }
  return true;
}
