/**
 * What an enterprise's backend uses: one connection, typed calls, and retries where the contract
 * allows them. Every method throws ChappeError; build logic on `error.entry.code`.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { BillingService } from '@chappe/proto/v1/billing_service';
import { ContactService } from '@chappe/proto/v1/contact_service';
import type { Event } from '@chappe/proto/v1/event';
import { EventService } from '@chappe/proto/v1/event_service';
import { MessageService, type GetResponse, type SendRequestSchema } from '@chappe/proto/v1/message_service';
import { TemplateService } from '@chappe/proto/v1/template_service';
import { Channel, type Client } from '@chappe/rpc/client';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { randomUUIDv7 } from 'node:crypto';
import { retrying } from './backoff.ts';
import { retried } from './retried-methods.ts';
import { SendStream } from './send-stream.ts';
import { subscribe, type SubscribeOptions } from './subscribe.ts';

export interface ChappeClientOptions {
  /** `host:port` or `unix:/path` of a gateway. */
  readonly address: string;
  readonly apiKey: string;
  /** Absent: no TLS. */
  readonly credentials?: ChannelCredentials;
  /** With TLS, the name in the server's certificate. Absent: the one in the address. */
  readonly serverName?: string;
}

export class ChappeClient implements Disposable {
  readonly contacts: Client<typeof ContactService>;
  readonly templates: Client<typeof TemplateService>;
  readonly billing: Client<typeof BillingService>;
  readonly #channel: Channel;
  readonly #messages: Client<typeof MessageService>;
  readonly #events: Client<typeof EventService>;

  constructor({ address, apiKey, credentials, serverName }: ChappeClientOptions) {
    this.#channel = new Channel({ address, bearer: apiKey, credentials, serverName });
    this.contacts = retried(this.#channel.client(ContactService), ['optIn', 'optOut', 'get', 'acknowledgeIdentity']);
    this.templates = retried(this.#channel.client(TemplateService), ['create', 'list', 'delete']);
    this.billing = retried(this.#channel.client(BillingService), ['quote', 'listLedger', 'getStatement']);
    this.#messages = this.#channel.client(MessageService);
    this.#events = this.#channel.client(EventService);
  }

  /**
   * Hands one message over; refusals that pass are tried again a few times, under the same
   * idempotency key. For many messages use `openSendStream`.
   */
  async send(request: MessageInitShape<typeof SendRequestSchema>): Promise<{ messageId: string }> {
    const idempotencyKey = request.idempotencyKey || randomUUIDv7();
    const { messageId } = await retrying(() => this.#messages.send({ ...request, idempotencyKey }));
    return { messageId };
  }

  readonly messages = {
    /** A message with its timeline. */
    get: (messageId: string): Promise<GetResponse> => retrying(() => this.#messages.get({ messageId })),
    /** Asks that a message not be shown; the event `cancelled` says that it is not. */
    cancel: async (messageId: string): Promise<void> => {
      await retrying(() => this.#messages.cancel({ messageId }));
    },
  };

  openSendStream(): SendStream {
    return new SendStream(this.#messages);
  }

  /** Each event once, over broken connections as well. */
  subscribe(options: SubscribeOptions = {}): AsyncIterable<Event> {
    return subscribe(this.#events, options);
  }

  /** @throws ChappeError `notReady` when there is no answer in time */
  waitForReady(timeoutMs: number): Promise<void> {
    return this.#channel.waitForReady(timeoutMs);
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}
