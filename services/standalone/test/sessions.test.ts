/** Sessions that break and keys that run out: the person is shown everything once all the same. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { decodeMessage } from '@chappe/codec/codec';
import type { Report } from '@chappe/handset/mailbox';
import { readMailbox } from '@chappe/handset/mailbox-record';
import { CiphertextType, ConnectRequestSchema } from '@chappe/proto/device/device_service';
import { MessageState } from '@chappe/proto/v1/event';
import {
  allEnded,
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
  type TestNode,
} from './test-node.ts';

describe('sessions', () => {
  let node: TestNode;
  let made = 0;
  before(async () => {
    node = await startTestNode();
  });
  after(() => node[Symbol.asyncDispose]());

  async function business(...people: string[]): Promise<{ client: ChappeClient; number: string }> {
    made += 1;
    const number = `+331234567${20 + made}`;
    const { client } = await makeBusiness(node, `Business ${made}`, number);
    await makeNote(client);
    await optIn(client, ...people);
    return { client, number };
  }

  const sendAll = async (client: ChappeClient, to: string, ...texts: string[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const text of texts) ids.push((await client.send(note(to, text))).messageId);
    return ids;
  };

  for (const [what, corrupt] of [
    ['is gone', (): Uint8Array | undefined => undefined],
    ['is garbage', (): Uint8Array | undefined => Uint8Array.of(1, 2, 3)],
  ] as const) {
    test(`what a phone whose session ${what} cannot read is made anew, shown once and in order`, async () => {
      const person = what === 'is gone' ? '+33612345801' : '+33612345802';
      const { client, number } = await business(person);
      const first = await startPhone(node, person);
      await allEnded(client, await sendAll(client, person, 'one', 'two'));
      await first[Symbol.asyncDispose]();
      const key = number.slice(1);
      const bytes = corrupt();
      if (bytes === undefined) first.state.delete('session', key);
      else first.state.put('session', key, bytes);

      const ids = await sendAll(client, person, 'three', 'four', 'five');
      const reports: Report[] = [];
      const listener = { onUndecryptable: (report: Report) => void reports.push(report) };
      await using phone = openPhone(node, first.state, { listener });
      await allEnded(client, ids);
      assert.deepEqual(
        phone.shown.map(({ message }) => message.body),
        ['three', 'four', 'five'],
      );
      assert.equal(reports.length, 1);
      // The new session serves both ways.
      await phone.handset.reply(number, 'I read you');
      await eventsUntil(client, ({ kind }) => kind.case === 'received' && kind.value.text === 'I read you');
      await allEnded(client, await sendAll(client, person, 'six'));
      assert.equal(phone.shown.length, 4);
    });
  }

  test('SECRET: a phone that was restored from a backup learns of it, and writes under no key that it may have used', async () => {
    const person = '+33612345807';
    const { client, number } = await business(person);
    const phone = await startPhone(node, person);
    await allEnded(client, await sendAll(client, person, 'one'));
    const backup = copyOf(phone.state);
    await allEnded(client, await sendAll(client, person, 'two'));
    const { number: last } = readMailbox(phone.state);
    await phone[Symbol.asyncDispose]();

    await using restored = openPhone(node, backup);
    while (readMailbox(restored.state).number < last) await sleep(10);
    const id = await restored.handset.reply(number, 'hello');
    const { frame } = decodeMessage(ConnectRequestSchema, restored.state.get('outbound', id) ?? Uint8Array.of());
    assert.ok(frame.case === 'outbound');
    assert.equal(frame.value.type, CiphertextType.PRE_KEY, 'a session of its own, without a message from the business');
    await eventsUntil(client, ({ kind }) => kind.case === 'received' && kind.value.messageId === id);
  });

  test('a phone that can read nothing makes a message fail with 3003 after three sessions, and is sent to again once it can', async () => {
    const person = '+33612345803';
    const { client } = await business(person);
    const { state } = await startPhone(node, person, { connect: false });
    const right = copyOf(state);
    // The prekeys of somebody else, under the same ids: whole, and of no use.
    const stranger = await startPhone(node, '+33612345813', { connect: false });
    for (const kind of ['signedPreKey', 'kyberPreKey', 'preKey'] as const) {
      for (const key of stranger.state.keys(kind))
        state.put(kind, key, stranger.state.get(kind, key) ?? Uint8Array.of());
    }
    const [id = ''] = await sendAll(client, person, 'nobody reads this');
    const reports: Report[] = [];
    {
      await using phone = openPhone(node, state, {
        listener: { onUndecryptable: (report) => void reports.push(report) },
      });
      const { state: end, code } = await reached(client, id);
      assert.deepEqual([end, code], [MessageState.FAILED, 3003]);
      assert.equal(reports.length, 3);
      assert.equal(phone.shown.length, 0);
    }
    // It gets its keys back. What it refused is refused for good, so only a new session reaches it.
    for (const kind of ['signedPreKey', 'kyberPreKey', 'preKey'] as const) {
      for (const key of right.keys(kind)) state.put(kind, key, right.get(kind, key) ?? Uint8Array.of());
    }
    await using phone = openPhone(node, state);
    await allEnded(client, await sendAll(client, person, 'this one is read'));
    assert.deepEqual(
      phone.shown.map(({ message }) => message.body),
      ['this one is read'],
    );
  });

  test('NO-LOSS: after a report about messages that nobody waits for any more, the next message comes under a new session', async () => {
    const person = '+33612345804';
    const { client, number } = await business(person);
    await using first = await startPhone(node, person);
    const second = await startPhone(node, person, { linkCode: await first.handset.createLinkCode() });
    await allEnded(client, await sendAll(client, person, 'one'));
    await second.showed(1);
    await second[Symbol.asyncDispose]();
    second.state.delete('session', number.slice(1));
    // The first device shows them: the person does not need them on the second one.
    await allEnded(client, await sendAll(client, person, 'two', 'three'));
    const reported = Promise.withResolvers<void>();
    {
      await using broken = openPhone(node, second.state, { listener: { onUndecryptable: () => reported.resolve() } });
      await reported.promise;
      // Until the server has committed the report.
      while (readMailbox(broken.state).reports.length > 0) await sleep(10);
      await first[Symbol.asyncDispose]();
      const [id = ''] = await sendAll(client, person, 'four');
      assert.equal((await reached(client, id)).state, MessageState.DELIVERED);
      assert.deepEqual(
        broken.shown.map(({ message }) => message.body),
        ['four'],
      );
    }
  });

  test('NO-LOSS: a message that was unreadable and then blocked away leaves no session behind that the phone refuses', async () => {
    const person = '+33612345806';
    const { client, number } = await business(person);
    const first = await startPhone(node, person);
    await allEnded(client, await sendAll(client, person, 'one'));
    await first[Symbol.asyncDispose]();
    first.state.delete('session', number.slice(1));
    // Another device blocks while the message is on its way to this one.
    const stopped = await sendAll(client, person, 'two');
    await reached(client, stopped[0] ?? '', MessageState.SENT);
    await using phone = openPhone(node, first.state);
    await phone.handset.block(number, true);
    await eventsUntil(client, ({ kind }) => kind.case === 'block' && kind.value.blocked);
    await phone.handset.block(number, false);
    await eventsUntil(client, ({ kind }) => kind.case === 'block' && !kind.value.blocked);
    await allEnded(client, await sendAll(client, person, 'three'));
    assert.equal(phone.shown.at(-1)?.message.body, 'three');
  });

  test('when one-time prekeys are used up, the last-resort key serves, and the phone uploads new ones when it comes', async () => {
    const person = '+33612345805';
    const phone = await startPhone(node, person, { connect: false, preKeyCount: 2 });
    const clients: ChappeClient[] = [];
    for (let index = 0; index < 5; index += 1) clients.push((await business(person)).client);
    for (const client of clients) {
      const [id = ''] = await sendAll(client, person, 'hello');
      await reached(client, id, MessageState.SENT);
    }
    const kept = phone.state.count('preKey');
    await using connected = openPhone(node, phone.state);
    await connected.showed(clients.length);
    for (const client of clients) await allEnded(client, await sendAll(client, person, 'again'));
    assert.equal(connected.shown.length, 2 * clients.length);
    assert.ok(connected.state.count('preKey') > kept, 'new prekeys were made');
  });
});
