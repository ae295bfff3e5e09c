/**
 * The node is killed at random moments, again and again, while a business sends through the client
 * library and people's phones show, read and answer. The tally has the last word.
 *
 * CHAPPE_KILL_MESSAGES, CHAPPE_KILL_TIMES and CHAPPE_KILL_SEED make a longer run or repeat one.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { toChappeError } from '@chappe/errors/chappe-error';
import { MessageState } from '@chappe/proto/v1/event';
import { Channel } from '@chappe/rpc/client';
import { freeAddresses, startNodeProcess } from './node-process.ts';
import { Tally, type State } from '../../../load-tests/checker/tally.ts';
import { optIn, startPhone, type TestPhone } from './test-node.ts';

const messages = Number(process.env['CHAPPE_KILL_MESSAGES'] ?? 3_000);
const kills = Number(process.env['CHAPPE_KILL_TIMES'] ?? 5);
const seed = Number(process.env['CHAPPE_KILL_SEED'] ?? Math.trunc(Math.random() * 2 ** 31));
/** Of 40 handsets, every tenth person has a second one. */
const people = 36;
/** Handed over and not answered. */
const pendingMax = 300;
/** Far beyond what a run needs: then the tally says what is missing. */
const settleMs = 30_000;

const business = '+33123456789';

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

test(`NO-LOSS, ONCE, ORDER, MONOTONE: ${kills} kills during ${messages} messages`, async (context) => {
  context.diagnostic(`CHAPPE_KILL_SEED=${seed}`);
  const random = randomFrom(seed);
  const tally = new Tally();
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'chappe-kill-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const addresses = await freeAddresses();
  const environment = {
    CHAPPE_DATA: folder,
    CHAPPE_GATEWAY_ADDRESS: addresses.gateway,
    CHAPPE_DEVICE_ADDRESS: addresses.devices,
  };
  let node = await startNodeProcess(environment);
  stack.defer(async () => {
    await node[Symbol.asyncDispose]();
    // What it says for itself, should it have ended unbidden.
    if (node.stderr !== '') context.diagnostic(node.stderr.slice(-2_000));
  });

  const adminKey = (await readFile(join(folder, 'admin-key'), 'utf8')).trim();
  const admin = stack.use(new AdminClient({ address: addresses.gateway, adminKey }));
  const { apiKey } = await admin.businesses.create({ name: 'Air Semaphore', number: business });
  const client = stack.use(new ChappeClient({ address: addresses.gateway, apiKey }));
  await client.templates.create({ template: { name: 'gate', language: 'en', category: 1, body: 'Gate {{gate}}' } });

  const contacts = Array.from({ length: people }, (_, index) => contactOf(index));
  await optIn(client, ...contacts);
  await startPhones(stack, addresses.devices, join(folder, 'registration-codes.jsonl'), contacts, tally, random);
  const ended = new AbortController();
  stack.defer(() => ended.abort());
  const listening = listen(client, tally, ended.signal);

  const sending = sendAll(client, contacts, tally, random);
  for (let kill = 1; kill <= kills; kill += 1) {
    const place = ((kill - random()) / kills) * messages;
    while (tally.answered < place) await sleep(5);
    await sleep(random() * 50);
    await node.kill();
    node = await startNodeProcess(environment);
  }
  await sending;

  const startedAt = performance.now();
  let booked = 0;
  while (!tally.isSettled() && performance.now() - startedAt < settleMs) {
    booked = await readLedger(client, tally, booked);
    await sleep(50);
  }
  // What must not come is given a moment to come.
  await sleep(300);
  await readLedger(client, tally, booked);
  ended.abort();
  await listening;
  context.diagnostic(`${tally.accepted} messages were accepted`);
  assert.equal(tally.accepted, messages);
  assert.deepEqual(tally.problems().slice(0, 20), []);
});

/** E.164 numbers of all four ranges. */
function contactOf(index: number): string {
  const serial = String(10_000 + index);
  const forms = [`+120155${serial}`, `+336120${serial}`, `+447911${serial.padStart(6, '1')}`, `+8190123${serial}`];
  return forms[index % forms.length] ?? '';
}

async function startPhones(
  stack: AsyncDisposableStack,
  address: string,
  registrationCodesFile: string,
  contacts: readonly string[],
  tally: Tally,
  random: () => number,
): Promise<void> {
  const devices = stack.use(new Channel({ address }));
  const start = async (contact: string, name: string, linkCode?: string): Promise<TestPhone> => {
    const replies = new Map<string, string>();
    const phone: TestPhone = await startPhone({ devices, registrationCodesFile }, contact, {
      ...(linkCode === undefined ? {} : { linkCode }),
      listener: {
        onMessage: ({ messageId, from }) => {
          tally.noteShown(contact, name, `+${from}`, messageId);
          const chance = random();
          if (chance < 0.3) void phone.handset.read([messageId]);
          if (chance > 0.97) {
            const text = `${name} answers ${messageId}`;
            void phone.handset.reply(`+${from}`, text).then(
              (id) => replies.set(id, text),
              () => undefined,
            );
          }
        },
        onConfirmed: (id) => {
          const text = replies.get(id);
          if (text !== undefined) tally.noteReplied(text);
        },
      },
    });
    stack.use(phone);
    return phone;
  };
  for (const [index, contact] of contacts.entries()) {
    const first = await start(contact, `${contact}/1`);
    if (index % 9 === 0) await start(contact, `${contact}/2`, await first.handset.createLinkCode());
  }
}

async function sendAll(
  client: ChappeClient,
  contacts: readonly string[],
  tally: Tally,
  random: () => number,
): Promise<void> {
  const stream = client.openSendStream();
  for (let index = 0; index < messages; index += 1) {
    // Bursts with pauses between and few on their way, so that the kills meet the node in all its moments.
    if (index % 50 === 0) await sleep(random() * 50);
    while (stream.pending >= pendingMax) await sleep(5);
    const key = `row-${index}`;
    const to = contacts[Math.trunc(random() * contacts.length)] ?? '';
    tally.noteSubmitted({ key, contact: to, number: business });
    const content = { case: 'template' as const, value: { name: 'gate', language: 'en', parameters: { gate: key } } };
    stream.send({ to, idempotencyKey: key, content }).then(
      ({ messageId }) => tally.noteAccepted(key, messageId),
      () => tally.noteRefused(key),
    );
  }
  await stream.close();
}

async function listen(client: ChappeClient, tally: Tally, signal: AbortSignal): Promise<void> {
  for await (const { id, kind } of client.subscribe({ signal })) {
    if (kind.case === 'received') tally.noteHeard(id, kind.value.text);
    const state = kind.case === 'state' ? states[kind.value.state] : undefined;
    if (kind.case === 'state' && state !== undefined) tally.noteState(id, kind.value.messageId, state);
  }
}

/** The number of entries that were read; none more while the node is away. */
async function readLedger(client: ChappeClient, tally: Tally, after: number): Promise<number> {
  try {
    const { entries } = await client.billing.listLedger({ after: BigInt(after), limit: 1_000 });
    for (const { messageId } of entries) tally.noteBooked(messageId);
    return after + entries.length;
  } catch (error) {
    if (toChappeError(error).entry.retry !== 'same') throw error;
    return after;
  }
}

/** mulberry32: small, and the same everywhere. */
function randomFrom(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
