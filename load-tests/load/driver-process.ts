/**
 * The driver of a load test, in a process of its own: hands messages over when they are due, on a few
 * streams of the client library, and never waits for an answer before the next one.
 */
import { ChappeClient } from '@chappe/client/chappe-client';
import { toChappeError } from '@chappe/errors/chappe-error';
import { seededRandom } from '../faults/seeded-random.ts';
import { numberAt } from './contacts.ts';
import type { DriverRequest } from './driver.ts';
import { idHash } from './id-hash.ts';
import { LatenessMeter, type Driven } from './lateness.ts';
import { nowMs } from './monotonic-clock.ts';
import { onSchedule } from './pacer.ts';
import { businessesOf, countOf, placesOf, scheduleOf, type Plan } from './plan.ts';
import { Notes, serveParent } from './serve-parent.ts';
import { requestMaker, templates } from './texts.ts';

type SendStream = ReturnType<ChappeClient['openSendStream']>;

interface Business {
  readonly client: ChappeClient;
  readonly streams: SendStream[];
}

const optInsPerCall = 1_000;

/** Rows: message, business, contact, stream, due, handed over. */
const submitted = new Notes('submitted');
/** Rows: message, answered, id. */
const accepted = new Notes('accepted');
/** Rows: message, whether for good, code. */
const refused = new Notes('refused');
let businesses: readonly Business[] = [];
let openAnswers = 0;
let whenAnswered: (() => void) | undefined;

async function take(request: DriverRequest): Promise<unknown> {
  switch (request.kind) {
    case 'start':
      businesses = request.apiKeys.map((apiKey) => ({
        client: new ChappeClient({ address: request.address, apiKey }),
        streams: [],
      }));
      for (const { client } of businesses)
        for (const template of templates()) await client.templates.create({ template });
      return;
    case 'optIn':
      return optIn(request.from, request.count);
    case 'drive':
      return drive(request.plan, request.firstMessage);
  }
}

async function optIn(from: number, count: number): Promise<void> {
  for (let first = 0; first < count; first += optInsPerCall) {
    const optIns = Array.from({ length: Math.min(optInsPerCall, count - first) }, (_, index) => ({
      contact: numberAt(from + first + index),
      source: 'load test',
      wording: 'send me messages',
    }));
    for (const { client } of businesses) {
      const { results } = await client.contacts.optIn({ optIns }, { deadlineMs: 60_000 });
      for (const { error } of results) if (error !== undefined) throw new Error(error.detail);
    }
  }
}

async function drive(plan: Plan, firstMessage: number): Promise<Driven> {
  for (const { client, streams } of businesses)
    while (streams.length < plan.streams) streams.push(client.openSendStream());
  const random = seededRandom(plan.seed);
  const [nextPlace, nextBusiness] = [placesOf(plan, random), businessesOf(plan, random)];
  const makeRequest = requestMaker(random);
  const lateness = new LatenessMeter();
  const handOver = (no: number, dueMs: number): SendStream => {
    const place = nextPlace(no);
    const businessNo = nextBusiness(no);
    const message = firstMessage + no;
    const streamNo = place % plan.streams;
    const stream = businesses[businessNo]?.streams[streamNo];
    if (stream === undefined) throw new Error('start comes first');
    const atMs = nowMs();
    submitted.add(message, businessNo, place, businessNo * plan.streams + streamNo, dueMs, atMs);
    lateness.note(atMs - dueMs);
    send(stream, message, makeRequest(message, numberAt(place)));
    return stream;
  };

  const startMs = nowMs();
  const schedule = scheduleOf(plan);
  if (schedule === undefined) for (let no = 0; no < countOf(plan); no += 1) await handOver(no, nowMs()).ready();
  else await onSchedule(schedule, startMs, handOver);
  const handedOverMs = nowMs();
  if (openAnswers > 0) await new Promise<void>((resolve) => (whenAnswered = resolve));
  for (const notes of [submitted, accepted, refused]) notes.tell();
  return { startMs, handedOverMs, lateness: lateness.read() };
}

function send(stream: SendStream, message: number, request: Parameters<SendStream['send']>[0]): void {
  openAnswers += 1;
  stream
    .send(request)
    .then(
      ({ messageId }) => accepted.add(message, nowMs(), idHash(messageId)),
      (error: unknown) => {
        const { entry } = toChappeError(error);
        refused.add(message, Number(entry.retry === 'never'), entry.code);
      },
    )
    .finally(() => {
      openAnswers -= 1;
      if (openAnswers === 0) whenAnswered?.();
    });
}

serveParent(take);
