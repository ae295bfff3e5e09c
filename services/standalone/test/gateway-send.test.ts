/** The gateway's send path: what it refuses, what it appends, and in which order. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { MessageSchema } from '@chappe/proto/device/content';
import { MessageService, SendStreamRequestSchema, SendStreamResponseSchema } from '@chappe/proto/v1/message_service';
import { Channel } from '@chappe/rpc/client';
import { fromServiceError } from '@chappe/rpc/status';
import { boundToBody } from '@chappe/seal/bound-to';
import { keyIdOf, open } from '@chappe/seal/seal';
import { Client as GrpcClient, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { GatewayHarness, parcel } from './gateway-harness.ts';

const contact = '+33612345678';
let harness: GatewayHarness;
let shop: Awaited<ReturnType<GatewayHarness['business']>>;

before(async () => {
  harness = await GatewayHarness.start();
  shop = await harness.business('Shop', '+33140000001');
});
after(() => harness[Symbol.asyncDispose]());

test('an accepted message is in the topic of its range, sealed, under its id', async () => {
  const { messageId } = await shop.client.send({ ...parcel(contact, '1'), echo: 'row 7' });
  const found = (await harness.commands()).find(({ record }) => record.headers.id === messageId);
  assert.ok(found?.command.kind.case === 'send');
  assert.equal(found.record.key, '33612345678');
  assert.deepEqual(found.record.headers, { kind: 'send', id: messageId, version: 1 });
  const { business, number, category, country, ttlMs, echo, policy } = found.command.kind.value;
  assert.deepEqual(
    { business, number, category, country, ttlMs, echo },
    {
      business: shop.id,
      number: '33140000001',
      category: 'utility',
      country: 'FR',
      ttlMs: 2_592_000_000n,
      echo: 'row 7',
    },
  );
  assert.equal(policy?.identity, 'hold');
  assert.equal(Buffer.from(found.record.value).includes('Ada'), false);
});

const refusals: readonly [string, Parameters<typeof shop.client.send>[0], number][] = [
  ['not a number', parcel('hello', '1'), 1013],
  ['no number', parcel('', '1'), 1008],
  ['the business itself', parcel('+33140000001', '1'), 1021],
  ['a sender that is not its own', { ...parcel(contact, '1'), from: '+33140000009' }, 1006],
  ['no content', { to: contact }, 1008],
  ['an empty text', { to: contact, content: { case: 'text', value: { text: '' } } }, 1008],
  ['a long text', { to: contact, content: { case: 'text', value: { text: 'x'.repeat(4_097) } } }, 1001],
  [
    'an unknown template',
    { to: contact, content: { case: 'template', value: { name: 'nope', language: 'en' } } },
    2001,
  ],
  [
    'an unknown language',
    { to: contact, content: { case: 'template', value: { name: 'parcel', language: 'de' } } },
    2001,
  ],
  [
    'a missing parameter',
    {
      to: contact,
      content: { case: 'template', value: { name: 'parcel', language: 'en', parameters: { name: 'A' } } },
    },
    2000,
  ],
  [
    'an unknown parameter',
    {
      to: contact,
      content: {
        case: 'template',
        value: { name: 'parcel', language: 'en', parameters: { name: 'A', number: '1', more: 'x' } },
      },
    },
    2000,
  ],
  ['a long parameter', parcel(contact, 'x'.repeat(1_025)), 2004],
  ['a short ttl', { ...parcel(contact, '1'), ttl: { seconds: 29n } }, 1009],
  ['a long ttl', { ...parcel(contact, '1'), ttl: { seconds: 2_592_001n } }, 1009],
  ['a long echo', { ...parcel(contact, '1'), echo: 'x'.repeat(513) }, 1009],
  ['a long key', parcel(contact, '1', 'k'.repeat(129)), 1009],
  ['a price in another currency', { ...parcel(contact, '1'), maxPrice: { currency: 'XXX', micros: 1n } }, 1009],
];
for (const [what, request, code] of refusals) {
  test(`${what} is refused with ${code} and nothing is appended`, async () => {
    const appended = (await harness.commands()).length;
    await assert.rejects(shop.client.send(request), coded(code));
    assert.equal((await harness.commands()).length, appended);
  });
}

test('a template falls back to its base language and then to the default one', async () => {
  const send = (language: string, languageFallback: boolean) =>
    shop.client.send({
      to: contact,
      content: {
        case: 'template',
        value: { name: 'parcel', language, languageFallback, parameters: { name: 'A', number: '1' } },
      },
    });
  await assert.rejects(send('fr-CA', false), coded(2001));
  await send('fr-CA', true);
  await send('de', true);
});

test('the same key and content get the same id and are appended again', async () => {
  const first = await shop.client.send(parcel(contact, '5', 'order-5'));
  const again = await shop.client.send(parcel(contact, '5', 'order-5'));
  assert.equal(again.messageId, first.messageId);
  const appended = (await harness.commands()).filter(({ record }) => record.headers.id === first.messageId);
  assert.equal(appended.length, 2);
});

test('the same key with other content, or to another contact, is refused', async () => {
  await shop.client.send(parcel(contact, '6', 'order-6'));
  await assert.rejects(shop.client.send(parcel(contact, '7', 'order-6')), coded(3002));
  await assert.rejects(shop.client.send(parcel('+33612345679', '6', 'order-6')), coded(3002));
});

test('equal keys in one frame get one id', async () => {
  await using stream = shop.client.openSendStream();
  const answers = await Promise.all([1, 2, 3].map(() => stream.send(parcel(contact, '8', 'order-8'))));
  assert.equal(new Set(answers.map(({ messageId }) => messageId)).size, 1);
});

test('messages of one stream are appended in their order, with one answer each', async () => {
  await using stream = shop.client.openSendStream();
  const sent: Promise<{ messageId: string }>[] = [];
  for (let index = 0; index < 3_000; index += 1) {
    await stream.ready();
    sent.push(stream.send(parcel(index % 3 === 0 ? contact : '+33612345690', String(index))));
  }
  const ids = (await Promise.all(sent)).map(({ messageId }) => messageId);
  const offsets = new Map((await harness.commands()).map(({ record }) => [record.headers.id, record.offset]));
  for (const turn of [0, 1]) {
    const ofContact = ids.filter((_, index) => (index % 3 === 0) === (turn === 0)).map((id) => offsets.get(id) ?? -1);
    assert.deepEqual(
      ofContact,
      ofContact.toSorted((a, b) => a - b),
    );
  }
  assert.equal(new Set(ids).size, 3_000);
});

test('NO-LOSS, ONCE and ORDER: a stream goes on over a restart of the gateway', async () => {
  const to = '+33612345691';
  await using stream = shop.client.openSendStream();
  const sent: Promise<{ messageId: string }>[] = [];
  let restarted: Promise<void> | undefined;
  for (let index = 0; index < 2_000; index += 1) {
    await stream.ready();
    sent.push(stream.send(parcel(to, String(index))));
    if (index === 500) void sent[250]?.then(() => (restarted = harness.restart()));
  }
  const ids = (await Promise.all(sent)).map(({ messageId }) => messageId);
  assert.ok(restarted, 'it was restarted while messages were under way');
  await restarted;
  assert.equal(new Set(ids).size, 2_000);
  const appended = (await harness.commands())
    .filter(({ record }) => record.key === to.slice(1))
    .map(({ record }) => record.headers.id);
  assert.deepEqual([...new Set(appended)], ids);
});

test('refused messages of a stream leave the others as they are', async () => {
  await using stream = shop.client.openSendStream();
  const answers = await Promise.allSettled([
    stream.send(parcel(contact, '1')),
    stream.send(parcel('12', '1')),
    stream.send(parcel(contact, '2')),
  ]);
  assert.deepEqual(
    answers.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});

test('an undecodable frame ends the stream with 1025 and what was acknowledged stays', async () => {
  const { promise, resolve } = Promise.withResolvers<{ code: number; answers: Buffer[] }>();
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${shop.apiKey}`);
  const client = new GrpcClient(harness.address, credentials.createInsecure());
  const asItIs = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest('/chappe.v1.MessageService/SendStream', asItIs, asItIs, metadata);
  const answers: Buffer[] = [];
  call.on('data', (bytes: Buffer) => answers.push(bytes));
  call.on('error', (error: ServiceError) => resolve({ code: fromServiceError(error).entry.code, answers }));
  const frame = create(SendStreamRequestSchema, { messages: [parcel(contact, '9', 'order-9')] });
  call.write(Buffer.from(toBinary(SendStreamRequestSchema, frame)));
  // Field 1, of 127 bytes, cut off.
  call.write(Buffer.from([0x0a, 0x7f, 0x01]));
  const ended = await promise;
  client.close();
  assert.equal(ended.code, 1025);
  const last = fromBinary(SendStreamResponseSchema, ended.answers.at(-1) ?? Buffer.alloc(0));
  assert.equal(last.acknowledged, 1n);
  const { messageId } = await shop.client.send(parcel(contact, '9', 'order-9'));
  assert.deepEqual(
    last.results.map(({ result }) => result.value),
    [messageId],
  );
});

test('a frame of more than 1,000 messages is refused with 1025', async () => {
  using channel = new Channel({ address: harness.address, bearer: shop.apiKey });
  const stream = channel.client(MessageService).sendStream();
  await stream.send({ messages: Array.from({ length: 1_001 }, () => parcel(contact, '1')) });
  await assert.rejects(async () => {
    for await (const _ of stream.responses) continue;
  }, coded(1025));
});

test('TENANT: no key, a wrong key and the admin key cannot send', async () => {
  await assert.rejects(harness.client('').send(parcel(contact, '1')), coded(190));
  await assert.rejects(harness.client('ck_wrong').send(parcel(contact, '1')), coded(190));
  await assert.rejects(harness.client('an-admin-key-for-tests').send(parcel(contact, '1')), coded(1005));
});

test('a revoked key stops working within a second, on open streams as well', async () => {
  const { key, apiKey } = await harness.admin.businesses.createKey({ businessId: shop.id, label: 'second' });
  const client = harness.client(apiKey);
  await using stream = client.openSendStream();
  await stream.send(parcel(contact, '1'));
  await harness.admin.businesses.revokeKey({ businessId: shop.id, keyId: key?.id ?? '' });
  await assert.rejects(client.send(parcel(contact, '1')), coded(190));
  await assert.rejects(stream.send(parcel(contact, '1')), coded(190));
});

test('beyond its rate a business is refused with 1015 and told how long to wait; a stream is read more slowly', async () => {
  await using slow = await GatewayHarness.start({ rateLimit: { perSecond: 20, burst: 5 } });
  const { apiKey, client } = await slow.business('Shop', '+33140000001');
  using channel = new Channel({ address: slow.address, bearer: apiKey });
  const { send } = channel.client(MessageService);
  const answers = await Promise.allSettled(Array.from({ length: 12 }, () => send(parcel(contact, '1'))));
  const refused = answers.filter((answer) => answer.status === 'rejected').map(({ reason }) => reason as unknown);
  assert.ok(refused.length > 0);
  assert.ok(
    refused.every((error) => coded(1015)(error) && error instanceof ChappeError && (error.retryAfterMs ?? 0) > 0),
  );
  await using stream = client.openSendStream();
  await Promise.all(Array.from({ length: 12 }, (_, index) => stream.send(parcel(contact, String(index)))));
});

test('a body opens under its own message id and the data key of its business alone', async () => {
  const { messageId } = await shop.client.send({ to: contact, content: { case: 'text', value: { text: 'Voilà' } } });
  const found = (await harness.commands()).find(({ record }) => record.headers.id === messageId);
  assert.ok(found?.command.kind.case === 'send');
  using channel = new Channel({ address: harness.cryptoAddress });
  const sealed = found.command.kind.value.sealedBody;
  const id = keyIdOf(sealed);
  const { key } = await channel
    .client(CryptoService)
    .getDataKey({ business: shop.id, day: Number(id.split('/')[1]), existingOnly: true });
  const opened = fromBinary(MessageSchema, open({ id, bytes: key }, sealed, boundToBody(shop.id, messageId)));
  assert.equal(opened.body, 'Voilà');
  assert.throws(() => open({ id, bytes: key }, sealed, boundToBody(shop.id, 'another')));
});

function coded(code: number) {
  return (error: unknown): boolean => error instanceof ChappeError && error.entry.code === code;
}
