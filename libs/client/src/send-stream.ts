/**
 * Many messages over one stream: coalesced into frames, within the server's window, and over again
 * after a broken connection or a refusal that passes, under the same idempotency keys and in order.
 */
import { ChappeError, toChappeError } from '@chappe/errors/chappe-error';
import type { MessageService, SendResult, SendStreamResponse } from '@chappe/proto/v1/message_service';
import type { Client, ClientStream } from '@chappe/rpc/client';
import { fromWireError } from '@chappe/rpc/status';
import { randomUUIDv7 } from 'node:crypto';
import { backoffMs, pause } from './backoff.ts';
import { firstWindow, frameBytesMax, frameMessagesMax, giveUpMs, pendingMax, pendingReady } from './limits.ts';
import { PendingSends, type SendRequestInit } from './pending-sends.ts';

type Stream = ClientStream<{ messages: SendRequestInit[] }, SendStreamResponse>;

export class SendStream implements AsyncDisposable {
  readonly #client: Client<typeof MessageService>;
  readonly #pending = new PendingSends();
  readonly #ending = new AbortController();
  #count = 0;
  #window = firstWindow;
  #stream: Stream | undefined;
  #work: Promise<void> | undefined;
  #changed = Promise.withResolvers<void>();

  constructor(client: Client<typeof MessageService>) {
    this.#client = client;
  }

  /** Messages that are handed over and not answered. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Resolves when more may be handed over: await it before each `send`. */
  async ready(): Promise<void> {
    while (this.#pending.size >= pendingReady && !this.#ending.signal.aborted) await this.#changed.promise;
  }

  /**
   * Resolves when the message is accepted. A message without an idempotency key gets one of its
   * own, so that it can be handed over again safely.
   *
   * @throws ChappeError why it was refused; with retry `same`, after a minute of attempts
   */
  send(request: SendRequestInit): Promise<{ messageId: string }> {
    if (this.#ending.signal.aborted) return Promise.reject(new ChappeError('notReady', 'the stream is closed'));
    if (this.#pending.size >= pendingMax) {
      return Promise.reject(new ChappeError('overloaded', 'too many messages wait; await ready() before each send'));
    }
    const idempotencyKey = request.idempotencyKey || randomUUIDv7();
    const { promise, resolve, reject } = Promise.withResolvers<{ messageId: string }>();
    this.#count += 1;
    this.#pending.add({
      no: this.#count,
      contact: digitsOf(request.to ?? ''),
      request: { ...request, idempotencyKey },
      bytes: sizeOf(request),
      resolve,
      reject,
      refusedAtMs: undefined,
    });
    this.#change();
    // A microtask later, so that what one turn hands over goes together.
    this.#work ??= Promise.resolve()
      .then(() => this.#run())
      .finally(() => (this.#work = undefined));
    return promise;
  }

  /** Waits until everything is answered, then ends. */
  async close(): Promise<void> {
    while (this.#pending.size > 0) await this.#changed.promise;
    await this[Symbol.asyncDispose]();
  }

  /** Ends at once; what is unanswered is refused here, and may have been accepted. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#stream?.cancel();
    this.#change();
    await this.#work;
    this.#rejectAll(new ChappeError('notReady', 'the stream was closed before the answer came'));
  }

  /** Opens streams until nothing is pending. */
  async #run(): Promise<void> {
    let failures = 0;
    let sinceMs = performance.now();
    while (this.#pending.size > 0 && !this.#ending.signal.aborted) {
      const before = this.#answers;
      const failure = await this.#useStream();
      this.#pending.disconnected();
      if (this.#answers > before) {
        failures = 0;
        sinceMs = performance.now();
      }
      if (failure === undefined) continue;
      if (failure.entry.retry !== 'same' || performance.now() - sinceMs > giveUpMs) {
        this.#rejectAll(failure);
        return;
      }
      failures += 1;
      await pause(backoffMs(failures, failure.retryAfterMs), this.#ending.signal);
    }
  }

  #answers = 0;

  /** Uses one stream until it fails or nothing is left to do. */
  async #useStream(): Promise<ChappeError | undefined> {
    const stream: Stream = this.#client.sendStream();
    this.#stream = stream;
    this.#window = firstWindow;
    const closed = new AbortController();
    let failure: ChappeError | undefined;
    const reading = this.#read(stream)
      .catch((error: unknown) => (failure = toChappeError(error)))
      .finally(() => {
        closed.abort();
        this.#change();
      });
    while (!closed.signal.aborted && !this.#ending.signal.aborted) {
      const room = this.#window - this.#pending.unanswered;
      const limits = { messages: Math.min(room, frameMessagesMax), bytes: frameBytesMax };
      const frame = room > 0 ? this.#pending.take(limits, performance.now()) : [];
      if (frame.length > 0) await stream.send({ messages: frame.map(({ request }) => request) });
      else await this.#next();
    }
    stream.cancel();
    await reading;
    this.#stream = undefined;
    return failure;
  }

  async #read(stream: Stream): Promise<void> {
    for await (const { window, results } of stream.responses) {
      if (window > 0) this.#window = window;
      for (const result of results) this.#settle(result);
      this.#change();
    }
  }

  #settle({ result }: SendResult): void {
    this.#answers += 1;
    const nowMs = performance.now();
    switch (result.case) {
      case 'messageId':
        this.#pending.answered()?.resolve({ messageId: result.value });
        return;
      case 'error': {
        const error = fromWireError(result.value);
        const refusedAtMs = this.#pending.next()?.refusedAtMs ?? nowMs;
        if (error.entry.retry === 'same' && nowMs - refusedAtMs < giveUpMs) {
          this.#pending.refused((refusals) => backoffMs(refusals, error.retryAfterMs), nowMs);
          return;
        }
        this.#pending.answered()?.reject(error);
        // The server waits for the resubmission of what was given up here: only a new stream forgets it.
        if (error.entry.retry === 'same') this.#stream?.cancel();
        return;
      }
      case undefined:
        this.#pending.answered()?.reject(new ChappeError('internal', 'the server gave an empty answer'));
    }
  }

  /** Resolves at the next change, or when a held contact may go on. */
  async #next(): Promise<void> {
    const waitMs = this.#pending.nextReleaseMs(performance.now());
    const { promise } = this.#changed;
    if (waitMs === undefined) return promise;
    const timer = setTimeout(() => this.#change(), waitMs);
    await promise;
    clearTimeout(timer);
  }

  #rejectAll(error: ChappeError): void {
    for (const send of this.#pending.takeAll()) send.reject(error);
    this.#change();
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}

/** Numbers are written in many ways; their digits stand for the contact. */
function digitsOf(to: string): string {
  return to.replaceAll(/\D/g, '');
}

/** At most this many bytes on the wire, roughly: three for each UTF-16 unit. */
function sizeOf({ content, echo }: SendRequestInit): number {
  const texts: (string | undefined)[] = [echo];
  if (content?.case === 'text') texts.push(content.value.text);
  if (content?.case === 'template')
    texts.push(content.value.name, ...Object.entries(content.value.parameters ?? {}).flat());
  return texts.reduce((sum, text) => sum + 8 + 3 * (text?.length ?? 0), 200);
}
