/** What a business sees of its messages: streams from cursors, timelines, cancelling, and nothing of others. */
import { create, toBinary } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import { ReplySchema } from '@chappe/proto/device/content';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { MessageState, type Event } from '@chappe/proto/v1/event';
import { Channel } from '@chappe/rpc/client';
import { boundToReply } from '@chappe/seal/bound-to';
import { seal } from '@chappe/seal/seal';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GatewayHarness, parcel } from './gateway-harness.ts';

const contact = '33612345678';
let harness: GatewayHarness;
let shop: Awaited<ReturnType<GatewayHarness['business']>>;
let bakery: Awaited<ReturnType<GatewayHarness['business']>>;

before(async () => {
  harness = await GatewayHarness.start();
  shop = await harness.business('Shop', '+33140000001');
  bakery = await harness.business('Bakery', '+33140000002');
});
after(() => harness[Symbol.asyncDispose]());

function state(messageId: string, name: string, more: { code?: number; detail?: string } = {}) {
  const value = { messageId, state: name, echo: 'row 1', ...more };
  return {
    id: `${messageId}/${name}`,
    contact,
    number: '33140000001',
    timeMs: 1_000n,
    kind: { case: 'state' as const, value },
  };
}

async function collect(events: AsyncIterable<Event>, count = Number.POSITIVE_INFINITY): Promise<Event[]> {
  const found: Event[] = [];
  for await (const event of events) {
    found.push(event);
    if (found.length >= count) break;
  }
  return found;
}

test('a stream goes on live after what is there, each event once, and a cursor replays the rest', async () => {
  await harness.publish(shop.id, [state('m-1', 'accepted'), state('m-1', 'sent')], 2);
  const live = collect(shop.client.subscribe(), 4);
  await harness.publish(shop.id, [state('m-1', 'delivered'), state('m-1', 'read')]);
  const events = await live;
  assert.deepEqual(
    events.map(({ id }) => id),
    ['m-1/accepted', 'm-1/sent', 'm-1/delivered', 'm-1/read'],
  );
  assert.deepEqual(events[0]?.contact, '+33612345678');
  const rest = await collect(shop.client.subscribe({ cursor: events[1]?.cursor ?? '', untilNow: true }));
  assert.deepEqual(
    rest.map(({ id }) => id),
    ['m-1/delivered', 'm-1/read'],
  );
});

test('repeats of the topic change nothing', async () => {
  const known = await collect(shop.client.subscribe({ untilNow: true }));
  await harness.publish(shop.id, [state('m-2', 'accepted'), state('m-2', 'sent')], 3);
  const events = await collect(shop.client.subscribe(), known.length + 2);
  assert.deepEqual(
    events.slice(known.length).map(({ id }) => id),
    ['m-2/accepted', 'm-2/sent'],
  );
  const numbers = await harness.store.query('SELECT no FROM business_events WHERE business = ? ORDER BY no', [shop.id]);
  assert.deepEqual(
    numbers.map(({ no }) => no),
    numbers.map((_, index) => index + 1),
  );
});

test('a stream goes on over a restart of the gateway without a gap or a repeat', async () => {
  const opened = Promise.withResolvers<void>();
  const live = collect(bakery.client.subscribe({ start: 'now', onOpen: () => opened.resolve() }), 2);
  await opened.promise;
  await harness.publish(bakery.id, [state('m-10', 'accepted')], 2);
  await harness.restart();
  await harness.publish(bakery.id, [state('m-10', 'sent')], 2);
  assert.deepEqual(
    (await live).map(({ id }) => id),
    ['m-10/accepted', 'm-10/sent'],
  );
});

test('a garbage cursor and another business’s cursor are refused alike', async () => {
  const [first] = await collect(shop.client.subscribe({ untilNow: true }));
  const refusal = async (cursor: string) => {
    try {
      await collect(bakery.client.subscribe({ cursor, untilNow: true }));
      return undefined;
    } catch (error) {
      return error instanceof ChappeError ? `${error.entry.code} ${error.message}` : error;
    }
  };
  const refused = await refusal(first?.cursor ?? '');
  assert.match(String(refused), /^1009 /);
  assert.equal(await refusal('garbage'), refused);
});

test('TENANT: a business sees no event, timeline or message of another, and cannot cancel it', async () => {
  const { messageId } = await shop.client.send(parcel('+33612345678', '1'));
  await harness.publish(shop.id, [state(messageId, 'accepted')]);
  assert.equal((await shop.client.messages.get(messageId)).state, MessageState.ACCEPTED);
  await assert.rejects(bakery.client.messages.get(messageId), coded(1006));
  await assert.rejects(bakery.client.messages.cancel(messageId), coded(1006));
  await assert.rejects(bakery.client.messages.get('no such id'), coded(1006));
  const seen = await collect(bakery.client.subscribe({ untilNow: true }));
  assert.ok(seen.every(({ kind }) => kind.case === 'state' && kind.value.messageId === 'm-10'));
});

test('TENANT: two businesses with events in one frame number them independently', async () => {
  const of = (business: string) =>
    harness.store.query('SELECT last_no FROM business_event_counters WHERE business = ?', [business]);
  const [earlier] = await of(bakery.id);
  await harness.publish(shop.id, [state('m-20', 'accepted')]);
  await collect(shop.client.subscribe(), 1);
  assert.deepEqual(await of(bakery.id), [earlier]);
});

test('MONOTONE: the state of a message is the highest of its timeline, whatever the order', async () => {
  await harness.publish(shop.id, [state('m-30', 'accepted'), state('m-30', 'read'), state('m-30', 'delivered')]);
  await until(async () => (await shop.client.messages.get('m-30').catch(() => undefined))?.timeline.length === 3);
  assert.equal((await shop.client.messages.get('m-30')).state, MessageState.READ);
});

test('a failed message tells its code, its sender and its contact', async () => {
  await harness.publish(shop.id, [
    state('m-31', 'accepted'),
    state('m-31', 'failed', { code: 3001, detail: 'no opt-in' }),
  ]);
  await until(async () => (await shop.client.messages.get('m-31').catch(() => undefined))?.timeline.length === 2);
  const { state: reached, error, from, to } = await shop.client.messages.get('m-31');
  assert.deepEqual([reached, error?.code, from, to], [MessageState.FAILED, 3001, '+33140000001', '+33612345678']);
});

test('a message that was accepted and has no event yet is accepted', async () => {
  const { messageId } = await shop.client.send(parcel('+33612345678', '1'));
  const found = await shop.client.messages.get(messageId);
  assert.deepEqual([found.state, found.timeline.length], [MessageState.ACCEPTED, 0]);
});

test('cancelling appends a command for the message’s contact', async () => {
  const { messageId } = await shop.client.send(parcel('+33612345678', '1'));
  await harness.publish(shop.id, [state(messageId, 'accepted')]);
  await shop.client.messages.cancel(messageId);
  const last = (await harness.commands()).at(-1);
  assert.ok(last?.command.kind.case === 'cancel');
  assert.deepEqual(
    [last.record.key, last.record.headers.kind, last.command.kind.value.messageId],
    [contact, 'cancel', messageId],
  );
});

test('a reply rests sealed and reaches its business in the open', async () => {
  using channel = new Channel({ address: harness.cryptoAddress });
  const day = Math.floor(Date.now() / 86_400_000);
  const { keyId, key } = await channel.client(CryptoService).getDataKey({ business: shop.id, day });
  const reply = toBinary(ReplySchema, create(ReplySchema, { text: 'Merci', inReplyTo: 'm-1' }));
  const sealedBody = seal({ id: keyId, bytes: key }, reply, boundToReply(shop.id, 'r-1'));
  const opened = Promise.withResolvers<void>();
  const live = collect(shop.client.subscribe({ start: 'now', onOpen: () => opened.resolve() }), 2);
  await opened.promise;
  const received = (messageId: string) => ({
    id: messageId,
    contact,
    number: '33140000001',
    timeMs: 1n,
    kind: { case: 'received' as const, value: { messageId, sealedBody } },
  });
  // Bound to another id, the second does not open: it comes without its text, and stops nothing.
  await harness.publish(shop.id, [received('r-1'), received('r-2')]);
  const texts = (await live).map(({ kind }) =>
    kind.case === 'received' ? [kind.value.text, kind.value.inReplyTo] : [],
  );
  assert.deepEqual(texts, [
    ['Merci', 'm-1'],
    ['', ''],
  ]);
});

test('opt-ins are appended one by one and refused one by one', async () => {
  const optIn = { source: 'web', wording: 'I agree' };
  const { results } = await shop.client.contacts.optIn({
    optIns: [
      { ...optIn, contact: '+33612345678' },
      { ...optIn, contact: 'nobody' },
      { contact: '+33612345679', source: '', wording: 'x' },
    ],
  });
  assert.deepEqual(
    results.map(({ error }) => error?.code),
    [undefined, 1013, 1008],
  );
  const last = (await harness.commands()).at(-1);
  assert.ok(last?.command.kind.case === 'optIn');
  assert.equal(last.record.headers.kind, 'opt_in');
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

function coded(code: number) {
  return (error: unknown): boolean => error instanceof ChappeError && error.entry.code === code;
}
