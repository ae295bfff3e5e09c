/** Bad input, each with the clear error that it gives, at a whole node's doors. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { DeviceService } from '@chappe/proto/device/device_service';
import { EventService } from '@chappe/proto/v1/event_service';
import { MessageService } from '@chappe/proto/v1/message_service';
import { Client as GrpcClient, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { fromServiceError } from '@chappe/rpc/status';
import { Channel } from '@chappe/rpc/client';
import { connect } from 'node:net';
import { once } from 'node:events';
import {
  freeText,
  makeBusiness,
  makeNote,
  note,
  optIn,
  reached,
  refusalOf,
  startPhone,
  startTestNode,
  type TestNode,
} from './test-node.ts';

const person = '+33612345678';

describe('bad input', () => {
  let node: TestNode;
  let client: ChappeClient;
  let apiKey = '';
  let businessId = '';
  before(async () => {
    node = await startTestNode();
    ({ client, apiKey, id: businessId } = await makeBusiness(node, 'Air Semaphore', '+33123456789'));
    await makeNote(client);
    await optIn(client, person);
  });
  after(() => node[Symbol.asyncDispose]());

  const template = (name: string, language: string, parameters: Record<string, string>) => ({
    to: person,
    content: { case: 'template' as const, value: { name, language, parameters } },
  });

  for (const [what, send, code, says] of [
    ['something that is not a number', () => note('hello', 'x'), 1013, /not a phone number/u],
    ['a number that no country has', () => note('+33999', 'x'), 1013, /not a phone number/u],
    ['no recipient', () => note('', 'x'), 1008, /^to is empty/u],
    ['the number itself', () => note('+33123456789', 'x'), 1021, /the number that the message comes from/u],
    ['an unknown template', () => template('nothing', 'en', {}), 2001, /no template nothing/u],
    ['an unknown language', () => template('note', 'fr', { text: 'x' }), 2001, /not there in fr; it has: en/u],
    ['an unknown parameter', () => template('note', 'en', { text: 'x', gate: '7' }), 2000, /gate/u],
    ['a missing parameter', () => template('note', 'en', {}), 2000, /text/u],
    ['a parameter that is too long', () => note(person, 'x'.repeat(1_025)), 2004, /1024|1,024/u],
    ['a text that is too long', () => freeText(person, 'x'.repeat(4_097)), 1001, /4096|4,096/u],
    ['an empty text', () => freeText(person, ''), 1008, /text is empty/u],
    ['no content', () => ({ to: person }), 1008, /either template or text/u],
    [
      'a lifetime that is too short',
      () => ({ ...note(person, 'x'), ttl: { seconds: 1n } }),
      1009,
      /30 seconds to 30 days/u,
    ],
    [
      'a sender that is not its own',
      () => ({ ...note(person, 'x'), from: '+33123456780' }),
      1006,
      /not one of this business's numbers/u,
    ],
  ] as const) {
    test(`${what} is refused with ${code}, alone and on a stream, and what comes after goes on`, async () => {
      const { code: given, detail } = await refusalOf(client.send(send()));
      assert.equal(given, code);
      assert.match(detail, says);
      const stream = client.openSendStream();
      const [refused, accepted] = await Promise.allSettled([stream.send(send()), stream.send(note(person, 'fine'))]);
      await stream.close();
      assert.equal(refused.status, 'rejected');
      assert.equal(accepted.status, 'fulfilled');
    });
  }

  test('the longest text of 4,096 characters is shown whole', async () => {
    await using phone = await startPhone(node, person);
    await phone.handset.reply('+33123456789', 'write me a novel');
    for await (const { kind } of client.subscribe()) if (kind.case === 'received') break;
    const novel = '💬'.repeat(4_096);
    await client.send(freeText(person, novel));
    while (phone.shown.at(-1)?.message.body !== novel) await phone.showed(phone.shown.length + 1);
  });

  test('a person without opt-in: the message fails with 3001', async () => {
    const { messageId } = await client.send(note('+33612345679', 'x'));
    assert.equal((await reached(client, messageId)).code, 3001);
  });

  test('the same key with another body or recipient is refused with 3002', async () => {
    await client.send(note(person, 'one', 'a-key'));
    for (const other of [note(person, 'two', 'a-key'), note('+33612345679', 'one', 'a-key')]) {
      assert.equal((await refusalOf(client.send(other))).code, 3002);
    }
  });

  test('no key, an unknown and a revoked one are refused with 190, on running streams too', async () => {
    const { key, apiKey: second } = await node.admin.businesses.createKey({ businessId, label: 'second' });
    using channel = new Channel({ address: node.node.gatewayAddress, bearer: second });
    const events = channel.client(EventService).subscribe({})[Symbol.asyncIterator]();
    await events.next();
    const stream = channel.client(MessageService).sendStream();
    await stream.send({ messages: [note(person, 'while it is good')] });
    await node.admin.businesses.revokeKey({ businessId, keyId: key?.id ?? '' });
    const drained = refusalOf(
      (async () => {
        for (;;) if ((await events.next()).done === true) return;
      })(),
    );
    await client.send(note(person, 'wakes the stream of events'));
    assert.equal((await drained).code, 190);
    for (const bearer of [second, 'nonsense', '']) {
      using wrong = new Channel({ address: node.node.gatewayAddress, bearer });
      assert.equal((await refusalOf(wrong.client(MessageService).send(note(person, 'x')))).code, 190);
    }
    const refused = refusalOf(
      (async () => {
        await stream.send({ messages: [note(person, 'after it was revoked')] });
        for await (const _ of stream.responses);
      })(),
    );
    assert.equal((await refused).code, 190);
  });

  test('frames that cannot be decoded are refused with 1025, and the node goes on', async () => {
    const garbage = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x07]);
    const phone = await startPhone(node, '+33612345677', { connect: false });
    for (const [address, path, bearer] of [
      [node.node.gatewayAddress, '/chappe.v1.MessageService/Send', apiKey],
      [node.node.gatewayAddress, '/chappe.v1.ContactService/OptIn', apiKey],
      [node.node.gatewayAddress, '/chappe.v1.BusinessService/Create', node.node.adminKey],
      [node.node.deviceAddress, '/chappe.device.v1.RegistrationService/Register', ''],
      [node.node.deviceAddress, '/chappe.device.v1.DeviceService/UploadPreKeys', phone.handset.account.credential],
    ] as const) {
      const error = await rawUnary(address, path, bearer, garbage);
      assert.equal(fromServiceError(error).entry.code, 1025, `${path}: ${error.message}`);
    }
    for (const [address, path, bearer] of [
      [node.node.gatewayAddress, '/chappe.v1.MessageService/SendStream', apiKey],
      [node.node.deviceAddress, '/chappe.device.v1.DeviceService/Connect', phone.handset.account.credential],
    ] as const) {
      const error = await rawStream(address, path, bearer, garbage);
      assert.equal(fromServiceError(error).entry.code, 1025, `${path}: ${error.message}`);
    }
    await client.send(note(person, 'still here'));
  });

  test('a device without or with a wrong credential is refused with 190', async () => {
    for (const bearer of ['', 'nonsense']) {
      const stream = node.devices.client(DeviceService).connect({ bearer });
      const read = async (): Promise<void> => {
        await stream.send({ frame: { case: 'resume', value: { incarnation: 0, number: 0n } } });
        for await (const _ of stream.responses);
      };
      assert.equal((await refusalOf(read())).code, 190);
    }
  });

  test('bytes that are no HTTP/2 at all hurt nobody', async () => {
    for (const address of [node.node.gatewayAddress, node.node.deviceAddress]) {
      const [host, port] = address.split(':');
      const socket = connect(Number(port), host);
      socket.on('error', () => undefined);
      socket.end(Buffer.from('GET / HTTP/1.1\r\n\r\n\u0000\u0000garbage'));
      await once(socket.resume(), 'close');
    }
    await client.send(note(person, 'still here'));
  });
});

function metadataOf(bearer: string): Metadata {
  const metadata = new Metadata();
  if (bearer !== '') metadata.set('authorization', `Bearer ${bearer}`);
  return metadata;
}

const same = (bytes: Buffer): Buffer => bytes;

async function rawUnary(address: string, path: string, bearer: string, bytes: Buffer): Promise<ServiceError> {
  const raw = new GrpcClient(address, credentials.createInsecure());
  try {
    return await new Promise<ServiceError>((resolve, reject) => {
      raw.makeUnaryRequest(path, same, same, bytes, metadataOf(bearer), { deadline: Date.now() + 5_000 }, (error) => {
        if (error === null) reject(new Error(`${path} took garbage`));
        else resolve(error);
      });
    });
  } finally {
    raw.close();
  }
}

async function rawStream(address: string, path: string, bearer: string, bytes: Buffer): Promise<ServiceError> {
  const raw = new GrpcClient(address, credentials.createInsecure());
  try {
    const call = raw.makeBidiStreamRequest(path, same, same, metadataOf(bearer), { deadline: Date.now() + 5_000 });
    call.on('data', () => undefined);
    call.write(bytes);
    const [error] = (await once(call, 'error')) as [ServiceError];
    return error;
  } catch (error) {
    // `once` rejects with an error that is emitted.
    return error as ServiceError;
  } finally {
    raw.close();
  }
}
