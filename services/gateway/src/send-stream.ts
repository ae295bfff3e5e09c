/**
 * SendStream: frames in, answers out. Reading, writing to the log and answering overlap; the order
 * of one contact's messages stays.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ChappeError, toChappeError } from '@chappe/errors/chappe-error';
import type { SendRequest, SendStreamRequest, SendStreamResponseSchema } from '@chappe/proto/v1/message_service';
import type { ServerStream } from '@chappe/rpc/server';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Business } from './businesses.ts';
import type { Callers } from './callers.ts';
import { sliceMs, streamFrameMessagesMax, streamWindow } from './limits.ts';
import { addressOf, type Addressed } from './prepare-send.ts';
import { RefusedContacts, type StreamPlace } from './refused-contacts.ts';
import { SendAnswers } from './send-answers.ts';
import type { SendOutcome } from './send-batcher.ts';
import { prepared, sendMeans, type SendDependencies, type SendMeans } from './send.ts';
import type { TokenBuckets } from './token-bucket.ts';

export interface SendStreamDependencies extends SendDependencies {
  readonly callers: Callers;
  readonly rates: TokenBuckets;
  /** Aborted when the gateway stops: streams end and clients go on at another one. */
  readonly stopping: AbortSignal;
}

type Stream = ServerStream<SendStreamRequest, MessageInitShape<typeof SendStreamResponseSchema>>;

/** Everything answered before a failure of the stream stays answered; the failure comes last. */
export async function sendStream(dependencies: SendStreamDependencies, stream: Stream): Promise<void> {
  await dependencies.callers.business(stream.bearer);
  await stream.send({ window: streamWindow, acknowledged: 0n });
  const run = new StreamRun(dependencies);
  const answering = answer(stream, run.answers);
  try {
    for await (const { messages } of untilStopping(stream.requests, dependencies.stopping)) {
      if (messages.length > streamFrameMessagesMax) {
        throw new ChappeError('invalidRequest', `a frame has at most ${streamFrameMessagesMax} messages`);
      }
      // Asked again with each frame: a key that is revoked meanwhile ends the stream.
      const business = await dependencies.callers.business(stream.bearer);
      await untilAllowed(dependencies.rates, business, messages.length, stream.signal);
      await run.answers.room();
      await run.submitFrame(business, messages);
    }
  } finally {
    run.answers.end();
    await answering;
  }
}

class StreamRun {
  readonly answers = new SendAnswers(streamWindow);
  readonly #refusals = new RefusedContacts(streamWindow);
  readonly #dependencies: SendStreamDependencies;

  constructor(dependencies: SendStreamDependencies) {
    this.#dependencies = dependencies;
  }

  async submitFrame(business: Business, requests: readonly SendRequest[]): Promise<void> {
    const means = await this.#means(business, requests);
    let sliceStart = performance.now();
    for (const request of requests) {
      this.#submit(business, means, request);
      if (performance.now() - sliceStart < sliceMs) continue;
      await nextTurn();
      sliceStart = performance.now();
    }
  }

  /** A reason that passes refuses the frame's messages one by one, so that the stream and its order stay. */
  async #means(business: Business, requests: readonly SendRequest[]): Promise<SendMeans | ChappeError> {
    try {
      return await sendMeans(this.#dependencies, business, requests);
    } catch (error) {
      if (!(error instanceof ChappeError)) this.#dependencies.events.unexpected(error, 'send stream');
      return toChappeError(error);
    }
  }

  #submit(business: Business, means: SendMeans | ChappeError, request: SendRequest): void {
    const { batcher, events } = this.#dependencies;
    const index = this.answers.take();
    if (means instanceof ChappeError) {
      this.#refuseForNow(index, business, request, means);
      return;
    }
    const message = prepared(means, request, events);
    if (message instanceof ChappeError) {
      this.#settle(business, { index, contact: request.to, identity: '' }, { kind: 'refused', error: message });
      return;
    }
    const place = { index, contact: message.contact, identity: identityOf(message) };
    batcher.submit({
      business: means.business,
      key: means.key,
      prepared: message,
      isBehindRefused: () => this.#refusals.behind(place),
      settle: (outcome) => this.#settle(business, place, outcome),
    });
  }

  #refuseForNow(index: number, business: Business, request: SendRequest, error: ChappeError): void {
    try {
      const addressed = addressOf(request, business);
      const place = { index, contact: addressed.contact, identity: identityOf(addressed) };
      this.#settle(business, place, { kind: 'refused', error });
    } catch (invalid) {
      const place = { index, contact: '', identity: '' };
      this.#settle(business, place, { kind: 'refused', error: toChappeError(invalid) });
    }
  }

  #settle(business: Business, place: StreamPlace, outcome: SendOutcome): void {
    if (outcome.kind === 'refused' && outcome.error.entry.retry === 'same') this.#refusals.refused(place);
    else this.#refusals.settled(place);
    this.#dependencies.events.sent(business.id, outcome);
    this.answers.answer(place.index, outcome);
  }
}

/** What a message and its resubmission have in common. */
function identityOf({ idempotencyKey, digest }: Addressed): string {
  return idempotencyKey === '' ? digest.toString('base64') : idempotencyKey;
}

async function answer(stream: Stream, answers: SendAnswers): Promise<void> {
  for await (const frame of answers.frames()) await stream.send(frame);
}

/** A stream is not refused for its rate: it is read more slowly. */
async function untilAllowed(
  rates: TokenBuckets,
  business: Business,
  count: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const waitMs = rates.take(business.id, count);
    if (waitMs === 0) return;
    await sleep(waitMs, undefined, { signal });
  }
}

/** @throws ChappeError `notReady` when the gateway stops, also while no frame comes */
async function* untilStopping<T>(frames: AsyncIterable<T>, stopping: AbortSignal): AsyncIterable<T> {
  const iterator = frames[Symbol.asyncIterator]();
  for (;;) {
    const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
      const stop = (): void => reject(new ChappeError('notReady', 'the gateway is stopping; open another stream'));
      stopping.addEventListener('abort', stop, { once: true });
      if (stopping.aborted) stop();
      iterator
        .next()
        .then(resolve, reject)
        .finally(() => stopping.removeEventListener('abort', stop));
    });
    if (next.done === true) return;
    yield next.value;
  }
}
