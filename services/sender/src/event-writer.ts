/**
 * Events of one transaction, gathered by bucket: what the outbox keeps and businesses see.
 *
 * An event's id is made from what it says, so that every consumer can drop repeats.
 */
import { createHmac } from 'node:crypto';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { encodeMessage } from '@chappe/codec/codec';
import { catalogue } from '@chappe/errors/catalogue';
import { eventBucketOf } from '@chappe/event-consumer/bucket';
import type { MessageState } from '@chappe/message-state/message-state';
import { BusinessEventSchema, EventFrameSchema, type BusinessEvent } from '@chappe/proto/internal/events';
import type { Failure } from './effects.ts';
import type { Message } from './state.ts';

type Kind = Exclude<MessageInitShape<typeof BusinessEventSchema>['kind'], undefined>;

export interface OutboxFrame {
  readonly eventNo: number;
  readonly bucket: number;
  readonly frame: Uint8Array;
}

export class EventWriter {
  readonly #buckets: number;
  readonly #byBucket = new Map<number, BusinessEvent[]>();
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
    const id = createHmac('sha256', business).update(cause).digest('base64url').slice(0, 22);
    const event = create(BusinessEventSchema, { id, business, contact, number, timeMs: BigInt(timeMs), kind });
    const bucket = eventBucketOf(business, this.#buckets);
    const events = this.#byBucket.get(bucket);
    if (events === undefined) this.#byBucket.set(bucket, [event]);
    else events.push(event);
    this.#count += 1;
  }

  /** The frames, numbered after `eventNo`. */
  frames(rangeId: string, incarnation: number, eventNo: number): OutboxFrame[] {
    let next = eventNo;
    return [...this.#byBucket].map(([bucket, events]) => {
      next += 1;
      const frame = encodeMessage(
        EventFrameSchema,
        create(EventFrameSchema, { range: rangeId, incarnation, eventNo: BigInt(next), events }),
      );
      return { eventNo: next, bucket, frame };
    });
  }
}
