import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessageState } from '@chappe/proto/v1/event';
import {
  allEnded,
  allEvents,
  copyOf,
  eventsUntil,
  makeBusiness,
  makeNote,
  note,
  openPhone,
  optIn,
  reached,
  startPhone,
  startTestNode,
  statesOf,
} from '../test-node.ts';

const people = ['+12015510001', '+33612010002', '+447911110003'];

describe('NO-LOSS', () => {
  test('NO-LOSS: what people were sent while offline waits over a restart and is shown', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    await optIn(client, ...people);
    const offline = [];
    for (const person of people) offline.push(await startPhone(node, person, { connect: false }));
    const send = async (person: string, text: string): Promise<string> =>
      (await client.send(note(person, text))).messageId;

    const ids = new Map<string, string[]>(people.map((person) => [person, []]));
    for (let index = 0; index < 20; index += 1) {
      if (index === 10) await node.restart();
      for (const person of people) ids.get(person)?.push(await send(person, `number ${index}`));
    }
    await node.restart();
    const sentIds = [...ids.values()].flat();
    for (const id of sentIds.slice(-people.length)) await reached(client, id, MessageState.SENT);

    for (const [index, { state }] of offline.entries()) {
      await using phone = openPhone(node, state);
      const sent = ids.get(people[index] ?? '') ?? [];
      await phone.showed(sent.length);
      assert.deepEqual(
        phone.shown.map(({ messageId }) => messageId),
        sent,
      );
      await allEnded(client, sent);
      const events = await allEvents(client);
      for (const id of sent) assert.equal(statesOf(events, id).at(-1), MessageState.DELIVERED);
    }
  });

  test('NO-LOSS: what cannot be delivered fails with a code', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    const [withoutOptIn = '', withoutDevice = ''] = people;
    await optIn(client, withoutDevice);
    const first = await client.send(note(withoutOptIn, 'hello'));
    const second = await client.send(note(withoutDevice, 'hello'));
    assert.deepEqual((await reached(client, first.messageId)).code, 3001);
    assert.deepEqual((await reached(client, second.messageId)).code, 1013);
    assert.equal((await client.messages.get(first.messageId)).error?.code, 3001);
  });

  test('NO-LOSS: a reply that is confirmed to the phone reaches the business, also over a restart', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    const confirmed = new Set<string>();
    const listener = { onConfirmed: (id: string) => void confirmed.add(id) };
    await using phone = await startPhone(node, people[0] ?? '', { listener, connect: false });
    const replies = [];
    for (const text of ['one', 'two']) replies.push(await phone.handset.reply('+33123456789', text));
    void phone.handset.connect();
    const texts: string[] = [];
    const read = async (count: number): Promise<void> => {
      for await (const { kind } of client.subscribe()) {
        if (kind.case === 'received' && !texts.includes(kind.value.text)) texts.push(kind.value.text);
        if (texts.length === count) return;
      }
    };
    await read(2);
    await node.restart();
    replies.push(await phone.handset.reply('+33123456789', 'three'));
    await read(3);
    assert.deepEqual(texts, ['one', 'two', 'three']);
    assert.ok(replies.slice(0, 2).every((id) => confirmed.has(id)));
  });

  test('NO-LOSS: what a phone writes that was restored from a backup reaches the business, once', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    const [person = ''] = people;
    await optIn(client, person);
    const phone = await startPhone(node, person);
    await client.send(note(person, 'first'));
    await phone.showed(1);
    const heard = async (last: string): Promise<string[]> => {
      const events = await eventsUntil(client, ({ kind }) => kind.case === 'received' && kind.value.text === last);
      return events.flatMap(({ kind }) => (kind.case === 'received' ? [kind.value.text] : []));
    };
    await phone.handset.reply('+33123456789', 'before');
    await heard('before');
    const backup = copyOf(phone.state);
    await client.send(note(person, 'second'));
    await phone.showed(2);
    await phone.handset.reply('+33123456789', 'lived');
    await heard('lived');
    await allEnded(
      client,
      phone.shown.map(({ messageId }) => messageId),
    );
    await phone[Symbol.asyncDispose]();

    // Written before it can know that it is a copy: under the message key of `lived`.
    await using restored = openPhone(node, backup, { connect: false });
    await restored.handset.reply('+33123456789', 'from the copy');
    void restored.handset.connect();
    assert.deepEqual(await heard('from the copy'), ['before', 'lived', 'from the copy']);
    await restored.handset.reply('+33123456789', 'afterwards');
    await client.send(note(person, 'third'));
    await restored.showed(1);
    assert.deepEqual(await heard('afterwards'), ['before', 'lived', 'from the copy', 'afterwards']);
    assert.deepEqual(
      restored.shown.map(({ message }) => message.body),
      ['third'],
    );
  });
});
