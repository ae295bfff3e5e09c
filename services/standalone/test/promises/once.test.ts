import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  copyOf,
  ledgerOf,
  makeBusiness,
  makeNote,
  note,
  openPhone,
  optIn,
  reached,
  startPhone,
  startTestNode,
} from '../test-node.ts';

const person = '+33612345678';

describe('ONCE', () => {
  test('ONCE: one key is one message, however often and wherever it is handed over, also over a restart', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    await optIn(client, person);
    await using phone = await startPhone(node, person);
    const ids = new Set<string>();
    const sendMany = async (): Promise<void> => {
      await using stream = client.openSendStream();
      const sends = Array.from({ length: 10 }, () => note(person, 'only once', 'the-key'));
      const answers = await Promise.all(sends.flatMap((send) => [client.send(send), stream.send(send)]));
      for (const { messageId } of answers) ids.add(messageId);
    };
    await sendMany();
    await phone.showed(1);
    await node.restart();
    await sendMany();
    const last = await client.send(note(person, 'the last'));
    await phone.showed(2);
    await reached(client, last.messageId);

    assert.equal(ids.size, 1);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => messageId),
      [...ids, last.messageId],
    );
    const entries = await ledgerOf(client, 2);
    assert.deepEqual(
      entries.map(({ messageId }) => messageId),
      [...ids, last.messageId],
    );
  });

  for (const [name, shownBefore] of [
    ['before its first message', 0],
    ['in the middle', 2],
  ] as const) {
    test(`ONCE: a phone restored from a copy made ${name} shows nothing again, and what is new once`, async () => {
      await using node = await startTestNode();
      const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
      await makeNote(client);
      await optIn(client, person);
      const texts = ['one', 'two', 'three', 'four'];
      let copy;
      {
        await using phone = await startPhone(node, person);
        for (const [index, text] of texts.entries()) {
          if (index === shownBefore) copy = copyOf(phone.state);
          await reached(client, (await client.send(note(person, text))).messageId);
        }
        assert.equal(phone.shown.length, texts.length);
      }
      assert.ok(copy !== undefined);
      await using restored = openPhone(node, copy);
      const ids = [];
      for (const text of ['five', 'six']) ids.push((await client.send(note(person, text))).messageId);
      for (const id of ids) await reached(client, id);

      assert.deepEqual(
        restored.shown.map(({ message }) => message.body),
        ['five', 'six'],
      );
      assert.equal((await ledgerOf(client, 6)).length, 6);
    });
  }

  test('ONCE: the ledger has one entry for each message, whatever the number of devices and receipts', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    await optIn(client, person);
    await using first = await startPhone(node, person);
    await using second = await startPhone(node, person, { linkCode: await first.handset.createLinkCode() });
    const ids: string[] = [];
    for (let index = 0; index < 5; index += 1) ids.push((await client.send(note(person, `${index}`))).messageId);
    for (const phone of [first, second]) {
      await phone.showed(5);
      await phone.handset.read(ids);
      await phone.handset.read(ids);
    }
    await node.restart();
    const last = await client.send(note(person, 'last'));
    await reached(client, last.messageId);
    const entries = await ledgerOf(client, 6);
    assert.deepEqual(
      entries.map(({ messageId }) => messageId),
      [...ids, last.messageId],
    );
    assert.deepEqual(
      entries.map(({ no }) => Number(no)),
      [1, 2, 3, 4, 5, 6],
    );
  });
});
