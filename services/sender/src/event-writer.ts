/**
 * Events of one transaction, gathered by bucket: what the outbox keeps and businesses see.
 *
 * An event's id is made from what it says, so that every consumer can drop repeats.
 */
import { hash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { encodeMessage } from '@chappe/codec/codec';
import { catalogue } from '@chappe/errors/catalogue';
import { eventBucketOf } from '@chappe/event-consumer/bucket';
import type { MessageState } from '@chappe/message-state/message-state';
import { EventFrameSchema, type BusinessEventSchema } from '@chappe/proto/internal/events';
import type { Failure } from './effects.ts';
import { eventFrameBytesMax } from './limits.ts';
import type { Message } from './state.ts';

type EventInit = MessageInitShape<typeof BusinessEventSchema>;
type Kind = Exclude<EventInit['kind'], undefined>;

export interface OutboxFrame {
  readonly eventNo: number;
  readonly bucket: number;
  readonly frame: Uint8Array;
}

export class EventWriter {
  readonly #buckets: number;
  readonly #byBucket = new Map<number, EventInit[]>();
  readonly #byBusiness = new Map<string, EventInit[]>();
  #count = 0;

  constructor(buckets: number) {
    this.#buckets = buckets;
  }

  get count(): number {
    return this.#count;
  }

  messageState(contact: string, message: Message, state: MessageState, timeMs: number, failure?: Failure): void {
    const { price } = message;
    this.#write(message.business, contact, message.number, timeMs, message.messageId + state, {
      case: 'state',
      value: {
        messageId: message.messageId,
        state,
        code: failure === undefined ? 0 : catalogue[failure.reason].code,
        detail: failure?.detail ?? '',
        echo: message.echo,
        price: { ...price, micros: BigInt(price.micros) },
      },
    });
  }

  /**
   * @param cause the id of the command that caused it, and what happened. Devices choose ids of their
   *   commands, so an event's id is made from the contact as well: nobody makes another's event a repeat.
   */
  write(business: string, contact: string, number: string, timeMs: number, cause: string, kind: Kind): void {
    this.#write(business, contact, number, timeMs, `${contact}/${cause}`, kind);
  }

  #write(business: string, contact: string, number: string, timeMs: number, cause: string, kind: Kind): void {
    const id = hash('sha256', `${business}/${cause}`, 'base64url').slice(0, 22);
    const event = { id, business, contact, number, timeMs: BigInt(timeMs), kind };
    this.#eventsOf(business).push(event);
    this.#count += 1;
  }

  /** A turn has events of few businesses, and many of each. */
  #eventsOf(business: string): EventInit[] {
    const known = this.#byBusiness.get(business);
    if (known !== undefined) return known;
    const bucket = eventBucketOf(business, this.#buckets);
    const events = this.#byBucket.get(bucket) ?? [];
    this.#byBucket.set(bucket, events);
    this.#byBusiness.set(business, events);
    return events;
  }

  /** The frames, numbered after `eventNo` under an epoch. */
  frames(rangeId: string, epoch: number, eventNo: number): OutboxFrame[] {
    const frames: OutboxFrame[] = [];
    const add = (bucket: number, events: readonly EventInit[]): void => {
      const next = eventNo + frames.length + 1;
      const content = { range: rangeId, epoch: BigInt(epoch), eventNo: BigInt(next), events: [...events] };
      const frame = encodeMessage(EventFrameSchema, content);
      if (frame.length <= eventFrameBytesMax || events.length === 1) {
        frames.push({ eventNo: next, bucket, frame });
        return;
      }
      const half = Math.ceil(events.length / 2);
      add(bucket, events.slice(0, half));
      add(bucket, events.slice(half));
    };
    for (const [bucket, events] of this.#byBucket) add(bucket, events);
    return frames;
  }
}
