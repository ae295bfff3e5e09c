/**
 * The mailbox rules as transcripts. An envelope is written `number:session:text`, a removed range
 * `from-to`, with `~` behind it if this device has acknowledged it; `!` decrypts badly, `*` starts a session. What becomes of a frame is written as the
 * application, the server and the next frame see it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { MessageSchema } from '@chappe/proto/device/content';
import { EnvelopeSchema, UnshownReason, type Envelope } from '@chappe/proto/device/device_service';
import { memoryState } from '../src/handset-state.ts';
import { acknowledgeOf, putMailbox, readMailbox } from '../src/mailbox-record.ts';
import { emptyMailbox, forget, takeEnvelopes, type Mailbox, type Opened } from '../src/mailbox.ts';

interface Transcript {
  mailbox: Mailbox;
  readonly seen: Set<string>;
  readonly blocked: Set<string>;
  nowMs: number;
}

test('what continues is shown in order and acknowledged with one number', async () => {
  const transcript = begin();
  assert.equal(await frame(transcript, 1, '1:1:a* 2:1:b 3:1:c'), 'shown a b c; started; at 1/3');
  assert.equal(await frame(transcript, 1, '4:1:d'), 'shown d; at 1/4');
  assert.deepEqual(acknowledgeOf(transcript.mailbox), {
    incarnation: 1,
    through: 4n,
    undecryptable: [],
    unshown: [],
  });
});

test('what was taken already is not opened again', async () => {
  const transcript = begin();
  await frame(transcript, 1, '1:1:a 2:1:b');
  assert.equal(await frame(transcript, 1, '1:1:! 2:1:! 3:1:c'), 'shown c; at 1/3');
});

test('a gap shows nothing that comes behind it, and asks to resume', async () => {
  const transcript = begin();
  await frame(transcript, 1, '1:1:a');
  assert.equal(await frame(transcript, 1, '2:1:b 4:1:d 5:1:e'), 'shown b; at 1/2; resume');
  assert.equal(await frame(transcript, 1, '6:1:f'), 'at 1/2; resume');
  assert.equal(await frame(transcript, 1, '3:1:c 4:1:d'), 'shown c d; at 1/4');
});

test('removed envelopes are a range that continues like one', async () => {
  const transcript = begin();
  await frame(transcript, 1, '1:1:a');
  assert.equal(await frame(transcript, 1, '2-5 6:1:f'), 'shown f; at 1/6');
  assert.equal(await frame(transcript, 1, '8-9'), 'at 1/6; resume');
  assert.equal(await frame(transcript, 1, '4-9 10:1:j'), 'shown j; at 1/10', 'a range may begin below what was taken');
});

test('SECRET: a gap that this device has acknowledged and does not know of ends its sessions, before anything else is opened', async () => {
  const transcript = begin();
  assert.equal(await frame(transcript, 1, '1:1:a 2-3 4:1:d'), 'shown a d; at 1/4');
  assert.equal(await frame(transcript, 1, '5-9~ 10:1:!'), 'forgot the sessions; at 1/10; report 10/s1 invalid');
  assert.equal(await frame(transcript, 1, '5-9~ 11:2:j*'), 'shown j; started; at 1/11; report 10/s1 invalid');
});

test('ONCE: the same message id is shown once, in one frame or in two', async () => {
  const transcript = begin();
  assert.equal(await frame(transcript, 1, '1:1:a 2:2:a'), 'shown a; repeat a; at 1/2');
  assert.equal(await frame(transcript, 1, '3:3:a'), 'repeat a; at 1/3');
});

test('expired and blocked messages are taken but not shown, and never shown later', async () => {
  const transcript = begin();
  transcript.blocked.add('1000');
  assert.equal(await frame(transcript, 1, '1:1:a'), 'blocked a; at 1/1');
  transcript.blocked.clear();
  assert.equal(await frame(transcript, 1, '2:1:a 3:1:b@500'), 'repeat a; expired b; at 1/3');
  transcript.nowMs = 100;
  assert.equal(await frame(transcript, 1, '4:1:b@500 5:1:c@500'), 'repeat b; shown c; at 1/5');
});

test('what is not shown is said with every acknowledgement until the server has committed it', async () => {
  const transcript = begin();
  transcript.blocked.add('2000');
  await frame(transcript, 1, '1:1:a 2:1:b@500 3:1:c>2000');
  const state = memoryState();
  putMailbox(state, transcript.mailbox);
  assert.deepEqual(acknowledgeOf(readMailbox(state)).unshown, [
    { number: 2n, reason: UnshownReason.EXPIRED },
    { number: 3n, reason: UnshownReason.BLOCKED },
  ]);
  transcript.mailbox = forget(transcript.mailbox, 1, 2n);
  assert.deepEqual(acknowledgeOf(transcript.mailbox).unshown, [{ number: 3n, reason: UnshownReason.BLOCKED }]);
});

test('ORDER: behind an undecryptable envelope nothing of its session is shown until a new session brings it all', async () => {
  const transcript = begin();
  assert.equal(await frame(transcript, 1, '1:1:a 2:1:! 3:1:c'), 'shown a; at 1/3; report 2/s1 invalid');
  assert.equal(
    await frame(transcript, 1, '4:1:d 5:2:b* 6:2:c 7:2:d'),
    'shown b c d; started; at 1/7; report 2/s1 invalid',
  );
});

test('sessions of other numbers go on behind an undecryptable envelope', async () => {
  const transcript = begin();
  assert.equal(await frame(transcript, 1, '1:4:! 2:1:x>2000 3:4:c'), 'shown x; at 1/3; report 1/s4 invalid');
});

test('a report is repeated until the server has committed it', async () => {
  const transcript = begin();
  await frame(transcript, 1, '1:1:a 2:1:! 3:1:c');
  transcript.mailbox = forget(transcript.mailbox, 1, 1n);
  assert.equal(acknowledgeOf(transcript.mailbox).undecryptable?.length, 1);
  transcript.mailbox = forget(transcript.mailbox, 2, 3n);
  assert.equal(acknowledgeOf(transcript.mailbox).undecryptable?.length, 1, 'of another incarnation');
  transcript.mailbox = forget(transcript.mailbox, 1, 3n);
  assert.deepEqual(acknowledgeOf(transcript.mailbox).undecryptable, []);
});

test('a higher incarnation is a new count, and may count sessions anew; a lower one is ignored', async () => {
  const transcript = begin();
  await frame(transcript, 1, '1:1:a 2:7:!');
  assert.equal(await frame(transcript, 2, '1-40 41:7:a 42:7:b'), 'repeat a; shown b; at 2/42');
  assert.equal(await frame(transcript, 1, '3:8:c'), 'at 2/42');
  assert.equal(await frame(transcript, 2, ''), 'at 2/42');
});

test('NO-LOSS: of a new count nothing is passed over, by a device that has nothing yet as well', async () => {
  const transcript = begin();
  assert.equal(await frame(transcript, 1, '2:1:b'), 'at 1/0; resume');
  assert.equal(await frame(transcript, 1, '1:1:a 2:1:b'), 'shown a b; at 1/2');
  assert.equal(await frame(transcript, 2, '42:7:c'), 'at 2/0; resume');
});

test('the mailbox survives in the state', async () => {
  const transcript = begin();
  await frame(transcript, 3, '1:1:a 2:1:!');
  const state = memoryState();
  assert.deepEqual(readMailbox(state), emptyMailbox);
  putMailbox(state, transcript.mailbox);
  assert.deepEqual(readMailbox(state), transcript.mailbox);
});

function begin(): Transcript {
  return { mailbox: emptyMailbox, seen: new Set(), blocked: new Set(), nowMs: 1_000 };
}

async function frame(transcript: Transcript, incarnation: number, text: string): Promise<string> {
  const lines = text
    .split(' ')
    .filter((line) => line !== '')
    .map(parse);
  const contents = new Map(lines.map(({ envelope, opened }) => [envelope.number, opened]));
  let forgot = false;
  const taken = await takeEnvelopes(
    transcript.mailbox,
    { incarnation, envelopes: lines.map(({ envelope }) => envelope) },
    {
      forgetSessions: () => (forgot = true),
      open: ({ number }) => Promise.resolve(contents.get(number) ?? { kind: 'undecryptable', reason: 'invalid' }),
      hasSeen: (messageId) => transcript.seen.has(messageId),
      isBlocked: (number) => transcript.blocked.has(number),
      nowMs: transcript.nowMs,
    },
  );
  transcript.mailbox = taken.mailbox;
  for (const { messageId } of taken.messages) transcript.seen.add(messageId);
  const fates: string[] = [];
  for (const { fate, messageId } of taken.messages) {
    const last = fates.at(-1);
    if (last?.startsWith(`${fate} `) === true) fates[fates.length - 1] = `${last} ${messageId}`;
    else fates.push(`${fate} ${messageId}`);
  }
  const { reports, number } = taken.mailbox;
  return [
    ...(forgot ? ['forgot the sessions'] : []),
    ...fates,
    ...(taken.startedBy.length > 0 ? ['started'] : []),
    `at ${taken.mailbox.incarnation}/${number}`,
    ...(taken.needsResume ? ['resume'] : []),
    ...reports.map((report) => `report ${report.number}/s${report.sessionNo} ${report.reason}`),
  ].join('; ');
}

/** `number:session:text[*][@expiry][>business number]`, or `from-to[~]`. */
function parse(line: string): { envelope: Envelope; opened: Opened } {
  const [, from, to, acknowledged] = /^(\d+)-(\d+)(~?)$/.exec(line) ?? [];
  const none: Opened = { kind: 'undecryptable', reason: 'invalid' };
  if (from !== undefined && to !== undefined) {
    const gap = { number: BigInt(to), removedFrom: BigInt(from), acknowledged: acknowledged === '~' };
    return { envelope: create(EnvelopeSchema, gap), opened: none };
  }
  const [, number, sessionNo, text, star, expiry, business] =
    /^(\d+):(\d+):([a-z!])(\*?)(?:@(\d+))?(?:>(\d+))?$/.exec(line) ?? [];
  if (number === undefined || text === undefined) throw new Error(`not an envelope: ${line}`);
  const envelope = create(EnvelopeSchema, {
    number: BigInt(number),
    from: business ?? '1000',
    sessionNo: Number(sessionNo),
  });
  if (text === '!') return { envelope, opened: none };
  const message = create(MessageSchema, { body: text });
  return {
    envelope,
    opened: {
      kind: 'message',
      messageId: text,
      expiresAtMs: Number(expiry ?? 0),
      message,
      startsSession: star === '*',
    },
  };
}
