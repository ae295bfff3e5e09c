import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DeviceService, type ConnectRequestSchema, type ConnectResponse } from '@chappe/proto/device/device_service';
import { MessageState } from '@chappe/proto/v1/event';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  allEvents,
  ledgerOf,
  makeBusiness,
  makeNote,
  note,
  optIn,
  reached,
  startPhone,
  startTestNode,
  statesOf,
  type TestNode,
  type TestPhone,
} from '../test-node.ts';

const person = '+33612345678';
const path = [MessageState.ACCEPTED, MessageState.SENT, MessageState.DELIVERED, MessageState.READ];

describe('MONOTONE', () => {
  test('MONOTONE: whatever order and however often receipts come in, each state is told once and none goes back', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    await optIn(client, person);
    const phone = await startPhone(node, person, { connect: false });
    const ids: string[] = [];
    for (const text of ['one', 'two', 'three', 'four']) ids.push((await client.send(note(person, text))).messageId);
    const [one = '', two = '', three = '', four = ''] = ids;

    const device = await rawDevice(node, phone);
    const through = (number: bigint) =>
      device.send({ frame: { case: 'acknowledge', value: { incarnation: device.incarnation, through: number } } });
    const read = (...messageIds: string[]) => device.send({ frame: { case: 'read', value: { messageIds } } });
    await device.untilEnvelope(4n);
    // Read before it was acknowledged, twice in one frame, and a message that nobody has.
    await read(two, two, 'no-such-message');
    await reached(client, two, MessageState.READ);
    for (const number of [3n, 1n, 3n, 2n]) await through(number);
    await reached(client, three, MessageState.DELIVERED);
    await read(two, one);
    await read(one);
    await through(3n);
    // More than there is counts as all there is.
    await through(99n);
    await read(four);
    await reached(client, four, MessageState.READ);
    await reached(client, one, MessageState.READ);
    await node.restart();
    const last = await client.send(note(person, 'last'));
    await reached(client, last.messageId, MessageState.SENT);
    device.end();

    const events = await allEvents(client);
    assert.deepEqual(statesOf(events, one), path);
    assert.deepEqual(statesOf(events, two), path);
    assert.deepEqual(statesOf(events, three), path.slice(0, 3));
    assert.deepEqual(statesOf(events, four), path);
    assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
    assert.equal((await ledgerOf(client, 4)).length, 4);
  });

  test('MONOTONE: a receipt after the end of a message changes nothing', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    await optIn(client, person);
    const phone = await startPhone(node, person, { connect: false });
    const { messageId } = await client.send(note(person, 'blocked before it was acknowledged'));
    const device = await rawDevice(node, phone);
    await device.untilEnvelope(1n);
    await device.send({ frame: { case: 'block', value: { id: 'b1', number: '33123456789', blocked: true } } });
    await reached(client, messageId, MessageState.FAILED);
    await device.send({ frame: { case: 'acknowledge', value: { incarnation: device.incarnation, through: 1n } } });
    await device.send({ frame: { case: 'read', value: { messageIds: [messageId] } } });
    await device.untilForgotten(1n);
    await device.send({ frame: { case: 'block', value: { id: 'b2', number: '33123456789', blocked: false } } });
    for await (const { kind } of client.subscribe()) if (kind.case === 'block' && !kind.value.blocked) break;
    device.end();
    const states = statesOf(await allEvents(client), messageId);
    assert.deepEqual(states, [MessageState.ACCEPTED, MessageState.SENT, MessageState.FAILED]);
    assert.equal((await client.messages.get(messageId)).state, MessageState.FAILED);
    assert.deepEqual((await client.billing.listLedger({})).entries, []);
  });

  test("MONOTONE: a device's receipts count for the messages of its own person only", async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    const stranger = '+33612345679';
    await optIn(client, person, stranger);
    await startPhone(node, person, { connect: false });
    const { messageId } = await client.send(note(person, 'for one'));
    await reached(client, messageId, MessageState.SENT);
    await using other = await startPhone(node, stranger);
    await other.handset.read([messageId]);
    const own = await client.send(note(stranger, 'for the other'));
    await other.showed(1);
    await other.handset.read([own.messageId]);
    await reached(client, own.messageId, MessageState.READ);
    assert.deepEqual(statesOf(await allEvents(client), messageId), path.slice(0, 2));
  });
});

/** A device that says what the test wants it to say, on a phone's credential. */
async function rawDevice(node: TestNode, { handset }: TestPhone) {
  const stream = node.devices.client(DeviceService).connect({ bearer: handset.account.credential });
  const seen = { incarnation: 0, envelope: 0n, forgotten: 0n };
  let changed = Promise.withResolvers<void>();
  const take = ({ frame }: ConnectResponse): void => {
    if (frame.case === 'envelopes') {
      seen.incarnation = frame.value.incarnation;
      seen.envelope = frame.value.envelopes.at(-1)?.number ?? seen.envelope;
    }
    if (frame.case === 'forget') seen.forgotten = frame.value.through;
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const reading = (async () => {
    for await (const response of stream.responses) take(response);
  })();
  // It ends with the node's restart or with the test.
  reading.catch(() => undefined);
  await stream.send({ frame: { case: 'resume', value: { incarnation: 0, number: 0n } } });
  const until = async (isIt: () => boolean): Promise<void> => {
    while (!isIt()) await changed.promise;
  };
  return {
    get incarnation() {
      return seen.incarnation;
    },
    send: (frame: MessageInitShape<typeof ConnectRequestSchema>) => stream.send(frame),
    untilEnvelope: (number: bigint) => until(() => seen.envelope >= number),
    untilForgotten: (number: bigint) => until(() => seen.forgotten >= number),
    end: () => stream.cancel(),
  };
}
