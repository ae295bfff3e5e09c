/**
 * The load of one row: a business of its own, open loop over two streams of the client library, with
 * people who read and reply. Everything that is handed over, answered, shown, told and charged goes into
 * the checker; nothing else is looked at.
 */
import type { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { toChappeError } from '@chappe/errors/chappe-error';
import type { ChappeError } from '@chappe/errors/chappe-error';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SettingsSchema } from '@chappe/proto/v1/business_service';
import { MessageState } from '@chappe/proto/v1/event';
import { MessageService } from '@chappe/proto/v1/message_service';
import { Channel } from '@chappe/rpc/client';
import { setTimeout as pause } from 'node:timers/promises';
import { CiphertextType } from '@chappe/proto/device/device_service';
import { messageKeyOf } from '../checker/message-keys.ts';
import { Tally, type State } from '../checker/tally.ts';
import type { People } from './people.ts';

export interface LoadSettings {
  /** Of the gateways: `host:port`, several with commas between. */
  readonly gateway: string;
  /** Of the business, `+` and digits; new for each row. */
  readonly number: string;
  readonly perSecond: number;
  /** In every text. */
  readonly marker: string;
  readonly business: MessageInitShape<typeof SettingsSchema>;
  /** From 0 to 1, seeded. */
  readonly random: () => number;
}

const states: Readonly<Record<MessageState, State | undefined>> = {
  [MessageState.UNSPECIFIED]: undefined,
  [MessageState.ACCEPTED]: 'accepted',
  [MessageState.SENT]: 'sent',
  [MessageState.DELIVERED]: 'delivered',
  [MessageState.READ]: 'read',
  [MessageState.FAILED]: 'failed',
  [MessageState.EXPIRED]: 'expired',
  [MessageState.CANCELLED]: 'cancelled',
};

const streamCount = 2;
const slotMs = 50;
/** Once messages are shown within `soonMs` for `warmForMs`, sessions are there and processes are warm. */
const soonMs = 1_000;
const warmForMs = 2_000;
const warmMsMax = 30_000;
const readShare = 0.3;
const replyShare = 0.03;
const ledgerIntervalMs = 250;
const ledgerPageMax = 1_000;
/** What must not come is given a moment to come. */
const afterglowMs = 1_000;
/** A gateway tries for some seconds itself before it refuses. */
const probeMsMax = 30_000;
const keyOf = /key=(\S+)/;

export class Load implements AsyncDisposable {
  readonly tally = new Tally();
  /** By code: requests that ended without an id. */
  readonly refusals = new Map<string, number>();
  /** By reason: what handsets could not read, and got again. */
  readonly undecryptable = new Map<string, number>();
  /** On which identity changes the business was told. */
  readonly identityChanges: string[] = [];
  readonly client: ChappeClient;
  readonly #apiKey: string;
  readonly #settings: LoadSettings;
  readonly #people: People;
  readonly #stopping = new AbortController();
  readonly #ended = new AbortController();
  readonly #watching: Disposable;
  readonly #replies = new Map<string, string>();
  readonly #answers = new Set<Promise<void>>();
  readonly #listening: Promise<void>;
  #sending: Promise<void> = Promise.resolve();
  #booked = 0;
  #probes = 0;
  #isPaused = false;
  #perSecond: number;

  /** Makes the business, its template and everybody's opt-in. */
  static async prepare(admin: AdminClient, people: People, settings: LoadSettings): Promise<Load> {
    const { number, gateway } = settings;
    const { apiKey } = await admin.businesses.create({ name: `Faults ${number}`, number, settings: settings.business });
    const client = new ChappeClient({ address: gateway, apiKey });
    await client.templates.create({ template: { name: 'note', language: 'en', category: 1, body: '{{text}}' } });
    const optIns = people.contacts.map((contact) => ({ contact, source: 'faults', wording: 'send me messages' }));
    for (const { error } of (await client.contacts.optIn({ optIns })).results) {
      if (error !== undefined) throw new Error(error.detail);
    }
    return new Load(client, apiKey, people, settings);
  }

  private constructor(client: ChappeClient, apiKey: string, people: People, settings: LoadSettings) {
    this.client = client;
    this.#apiKey = apiKey;
    this.#people = people;
    this.#settings = settings;
    this.#perSecond = settings.perSecond;
    this.#watching = people.watch({
      onShown: (contact, device, message, handset) => {
        if (`+${message.from}` !== settings.number) return;
        const key = keyOf.exec(message.message.body)?.[1];
        this.tally.noteShown(contact, device, settings.number, message.messageId, key);
        const chance = settings.random();
        if (chance < readShare) void handset.read([message.messageId]).catch(() => undefined);
        if (chance > 1 - replyShare) this.#reply(handset, device, message.messageId);
      },
      onConfirmed: (device, id) => {
        const text = this.#replies.get(`${device} ${id}`);
        if (text !== undefined) this.tally.noteReplied(text);
      },
      onUndecryptable: (_device, reason) => count(this.undecryptable, reason),
      onEnvelope: (device, { from, ciphertext, type }) => {
        if (`+${from}` !== settings.number) return;
        this.tally.noteEnvelope(device, messageKeyOf(ciphertext, type === CiphertextType.PRE_KEY), ciphertext);
      },
    });
    this.#listening = this.#listen();
  }

  start(): void {
    this.#sending = this.#send();
  }

  /** Resolves when for a while everything was shown soon; false: it never was, in half a minute. */
  async warm(signal: AbortSignal, withinMs = warmMsMax): Promise<boolean> {
    const endMs = performance.now() + withinMs;
    for (let sinceMs = performance.now(); performance.now() < endMs; await pause(slotMs, undefined, { signal })) {
      const nowMs = performance.now();
      const isLate = this.tally
        .passages()
        .some(({ submittedMs, shownMs }) => submittedMs < nowMs - soonMs && shownMs === undefined);
      if (isLate) sinceMs = nowMs;
      else if (nowMs - sinceMs > warmForMs) return true;
    }
    return false;
  }

  /** Hands nothing over until `goOn`. */
  hold(): void {
    this.#isPaused = true;
  }

  goOn(): void {
    this.#isPaused = false;
  }

  /** From now on so many a second. */
  setRate(perSecond: number): void {
    this.#perSecond = perSecond;
  }

  /** One message outside of the client library, which would try again. @returns why it was refused, if it was */
  async probe(): Promise<ChappeError | undefined> {
    const { gateway, number, marker } = this.#settings;
    using channel = new Channel({ address: gateway });
    this.#probes += 1;
    const key = `${number.slice(-3)}-probe-${this.#probes}`;
    // To somebody whom nobody else writes to: it waits behind nothing, and ends in a failure if it is accepted.
    const contact = `${(this.#people.contacts[0] ?? '').slice(0, -2)}99`;
    this.tally.noteSubmitted({ key, contact, number, stream: 'probe' });
    const value = { name: 'note', language: 'en', parameters: { text: `key=${key} ${marker}` } };
    const request = { to: contact, idempotencyKey: key, content: { case: 'template' as const, value } };
    try {
      const { messageId } = await channel
        .client(MessageService)
        .send(request, { bearer: this.#apiKey, deadlineMs: probeMsMax });
      this.tally.noteAccepted(key, messageId);
      return undefined;
    } catch (error) {
      const refusal = toChappeError(error);
      this.tally.noteRefused(key, refusal.entry.retry === 'never');
      return refusal;
    }
  }

  /** Hands over nothing more, and waits for the answers. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#sending;
    await Promise.all(this.#answers);
  }

  /** Until everything has come to its end. @returns after how long, or undefined: not in time */
  async drained(timeoutMs: number): Promise<number | undefined> {
    const startedMs = performance.now();
    let settledMs: number | undefined;
    while (performance.now() - startedMs < timeoutMs) {
      await this.#readLedger();
      if (this.tally.isSettled()) {
        settledMs = performance.now() - startedMs;
        break;
      }
      await pause(ledgerIntervalMs);
    }
    await pause(afterglowMs);
    await this.#readLedger();
    return settledMs;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#ended.abort();
    await this.#sending.catch(() => undefined);
    await this.#listening.catch(() => undefined);
    this.#watching[Symbol.dispose]();
    this.client[Symbol.dispose]();
  }

  /** By the clock, not by the answers: what waits for a fault comes on top of the rest. */
  async #send(): Promise<void> {
    const { random, number, marker } = this.#settings;
    const { contacts } = this.#people;
    const streams = Array.from({ length: streamCount }, () => this.client.openSendStream());
    let [lastMs, due, no] = [performance.now(), 0, 0];
    while (!this.#stopping.signal.aborted) {
      const nowMs = performance.now();
      due += ((nowMs - lastMs) / 1_000) * this.#perSecond;
      lastMs = nowMs;
      for (; no < Math.floor(due); no += 1) {
        if (this.#isPaused) continue;
        const place = Math.trunc(random() * streams.length);
        const to = contacts[Math.trunc(random() * contacts.length)] ?? '';
        const key = `${number.slice(-3)}-${no}`;
        const value = { name: 'note', language: 'en', parameters: { text: `key=${key} ${marker}` } };
        this.tally.noteSubmitted({ key, contact: to, number, stream: String(place) });
        const answer = streams[place]?.send({ to, idempotencyKey: key, content: { case: 'template', value } }).then(
          ({ messageId }) => this.tally.noteAccepted(key, messageId),
          (error: unknown) => this.#noteRefused(key, error),
        );
        if (answer === undefined) continue;
        this.#answers.add(answer);
        void answer.finally(() => this.#answers.delete(answer));
      }
      await pause(slotMs);
    }
    await Promise.all(streams.map((stream) => stream.close()));
  }

  #noteRefused(key: string, error: unknown): void {
    const { entry, reason } = toChappeError(error);
    count(this.refusals, reason);
    this.tally.noteRefused(key, entry.retry === 'never');
  }

  #reply(handset: Parameters<Parameters<People['watch']>[0]['onShown']>[3], device: string, messageId: string): void {
    const text = `${device} answers ${messageId} ${this.#settings.marker}`;
    void handset.reply(this.#settings.number, text).then(
      (id) => this.#replies.set(`${device} ${id}`, text),
      () => undefined,
    );
  }

  async #listen(): Promise<void> {
    for await (const { id, contact, kind } of this.client.subscribe({ signal: this.#ended.signal })) {
      if (kind.case === 'received') this.tally.noteHeard(id, kind.value.text);
      if (kind.case === 'identity') this.identityChanges.push(contact);
      const state = kind.case === 'state' ? states[kind.value.state] : undefined;
      if (kind.case === 'state' && state !== undefined) this.tally.noteState(id, kind.value.messageId, state);
    }
  }

  /** Asked again by the caller if nobody answers now. */
  async #readLedger(): Promise<void> {
    for (;;) {
      const page = await this.client.billing
        .listLedger({ after: BigInt(this.#booked), limit: ledgerPageMax })
        .catch(() => undefined);
      for (const { messageId } of page?.entries ?? []) this.tally.noteBooked(messageId);
      this.#booked += page?.entries.length ?? 0;
      if ((page?.entries.length ?? 0) < ledgerPageMax) return;
    }
  }
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
