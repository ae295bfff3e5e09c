/** What a range worker makes of a topic that holds more, less or other than it should. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MessageState } from '@chappe/proto/v1/event';
import type { NewRecord } from '@chappe/log/log';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { Rig, until } from './sender-rig.ts';
import {
  allEnded,
  allEvents,
  copyOf,
  makeNote,
  note,
  openPhone,
  optIn,
  reached,
  startPhone,
  statesOf,
  type TestPhone,
} from './test-node.ts';

const person = '+33612345678';
const poison: NewRecord = {
  key: '33612345678',
  headers: { kind: 'send', id: 'poison', version: 1 },
  value: Uint8Array.of(255, 255),
};
/** In the same range. */
const neighbour = '+33612345679';
/** In the other range. */
const other = '+491711234567';

async function prepared(rig: Rig, ...people: string[]): Promise<{ client: ChappeClient; phones: TestPhone[] }> {
  const client = await rig.business('+33123456789');
  await makeNote(client);
  const phones: TestPhone[] = [];
  for (const number of people) phones.push(await startPhone(rig, number));
  await optIn(client, ...people);
  return { client, phones };
}

const send = async (client: ChappeClient, to: string, text: string): Promise<string> =>
  (await client.send(note(to, text))).messageId;

const bodies = (phone: TestPhone | undefined): (string | undefined)[] =>
  phone?.shown.map(({ message }) => message.body) ?? [];

describe('a range topic', () => {
  test('that is missing stops its own range alone, and health says so', async () => {
    await using rig = await Rig.start();
    await rig.log.deleteTopic('range-r1');
    const shard = await rig.startShard('s1', { waits: false });
    await until(() => shard.notReady()['range r1'] !== undefined);
    assert.match(shard.notReady()['range r1'] ?? '', /not taken yet: there is no topic range-r1/);
    await until(async () => Object.keys(shard.notReady()).length === 1);
    const { ranges } = await rig.admin.cluster.listRanges({});
    assert.deepEqual(
      ranges.map(({ id, owner }) => [id, owner]),
      [
        ['r1', 's1'],
        ['r2', 's1'],
      ],
    );
    await until(async () => (await rig.admin.cluster.listRanges({})).ranges[0]?.problem.includes('not taken') ?? false);
    await until(async () => (await rig.admin.cluster.listRanges({})).ranges[1]?.problem === '');
    assert.equal((await rig.admin.cluster.listShards({})).shards[0]?.problem, '1 of its ranges do not get on');
    await using phone = (await prepared(rig, other)).phones[0];
    assert.ok(phone !== undefined);
  });

  test('ONCE: whose records come again changes nothing', async () => {
    await using rig = await Rig.start();
    await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person);
    await using phone = phones[0];
    const ids = [await send(client, person, 'one'), await send(client, person, 'two')];
    await allEnded(client, ids);
    await phone?.handset.reply('+33123456789', 'thank you');
    await until(async () => (await allEvents(client)).some(({ kind }) => kind.case === 'received'));
    const before = (await allEvents(client)).map(({ id }) => id);

    const records = await rig.records('range-r1');
    await rig.append('range-r1', records);
    await rig.append(
      'range-r1',
      records.filter(({ headers }) => headers.kind === 'send'),
    );
    await rig.done('r1');
    await allEnded(client, [await send(client, person, 'three')]);
    assert.deepEqual(bodies(phone), ['one', 'two', 'three']);
    const after = (await allEvents(client)).map(({ id }) => id);
    assert.deepEqual(
      after.filter((id) => before.includes(id)),
      before,
    );
    assert.equal(after.length, before.length + 3, 'accepted, sent and delivered of the third');
  });

  test('ONCE: with a reply that its phone sends again brings it once, also by another owner', async () => {
    await using rig = await Rig.start();
    const former = await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person);
    await using phone = phones[0];
    assert.ok(phone !== undefined);
    await allEnded(client, [await send(client, person, 'one')]);
    const id = await phone.handset.reply('+33123456789', 'thank you');
    // Of the moment before it can hear what became of it.
    const unheard = copyOf(phone.state);
    const replies = async () => (await allEvents(client)).filter(({ kind }) => kind.case === 'received').length;
    await until(async () => (await replies()) === 1);
    await phone[Symbol.asyncDispose]();
    await former[Symbol.asyncDispose]();
    await rig.startShard('s1');

    const received = Promise.withResolvers<string>();
    await using again = openPhone(rig, unheard, { listener: { onReceived: received.resolve } });
    assert.equal(await received.promise, id);
    await allEnded(client, [await send(client, person, 'two')]);
    assert.deepEqual(bodies(again), ['two']);
    assert.equal(await replies(), 1);
  });

  test('NO-LOSS: with a command that cannot be read holds its contact, and the range goes on', async () => {
    await using rig = await Rig.start();
    await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person, neighbour);
    await using phone = phones[0];
    await using second = phones[1];
    await allEnded(client, [await send(client, person, 'before')]);
    await rig.append('range-r1', [
      poison,
      { key: 'nobody', headers: { kind: 'send', id: 'dead', version: 1 }, value: new Uint8Array() },
    ]);
    const behind = await send(client, person, 'behind');
    await phone?.handset.reply('+33123456789', 'behind as well');
    await allEnded(client, [await send(client, neighbour, 'goes on')]);
    await rig.done('r1');
    assert.deepEqual(bodies(second), ['goes on']);
    assert.deepEqual(bodies(phone), ['before']);
    const held = await rig.store.query('SELECT kind, reason FROM held_records ORDER BY record_offset');
    assert.deepEqual(
      held.map(({ kind, reason }) => `${String(kind)}: ${String(reason)}`),
      ['send: the command cannot be decoded', 'send: behind a held command', 'inbound: behind a held command'],
    );
    assert.deepEqual(statesOf(await allEvents(client), behind), [], 'it waits as it came');

    const reply = (await rig.records('range-r1')).filter(({ headers }) => headers.kind === 'inbound').slice(-1);
    await rig.append('range-r1', reply);
    await rig.done('r1');
    assert.equal((await rig.store.query('SELECT kind FROM held_records')).length, 3, 'a reply takes one place there');
  });

  test('NO-LOSS: decrypts no reply that it holds, though both come in one batch', async () => {
    await using rig = await Rig.start();
    const former = await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person);
    await using phone = phones[0];
    await allEnded(client, [await send(client, person, 'before')]);
    await rig.done('r1');
    await former[Symbol.asyncDispose]();
    const session = await rig.store.query('SELECT version FROM sessions');
    await rig.append('range-r1', [poison]);
    await phone?.handset.reply('+33123456789', 'in the same batch');
    await rig.startShard('s1');
    await rig.done('r1');
    const held = await rig.store.query('SELECT kind FROM held_records ORDER BY record_offset');
    assert.deepEqual(
      held.map(({ kind }) => kind),
      ['send', 'inbound'],
    );
    assert.deepEqual(await rig.store.query('SELECT version FROM sessions'), session);
  });

  test('NO-LOSS, BOUND: fails what comes behind 1,000 held commands with 3006; ticks take no room there', async () => {
    await using rig = await Rig.start();
    const former = await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person);
    await using phone = phones[0];
    await former[Symbol.asyncDispose]();
    const tick = { key: '33612345678', headers: { kind: 'tick', id: 'tick', version: 1 }, value: Uint8Array.of(74, 0) };
    await rig.append('range-r1', [poison, ...Array.from({ length: 997 }, () => poison), tick, tick, tick, poison]);
    await rig.startShard('s1');
    const [last, tooMany] = [await send(client, person, 'the thousandth'), await send(client, person, 'one too many')];
    await allEnded(client, [tooMany]);
    const [count] = await rig.store.query('SELECT COUNT(*) AS held FROM held_records');
    assert.equal(count?.['held'], 1_000);
    assert.deepEqual(statesOf(await allEvents(client), last), []);
    assert.equal((await reached(client, tooMany)).code, 3006);
    assert.deepEqual(phone?.shown, []);
  });

  test('with a command of a newer version makes its range wait and say so; others go on, and nothing is passed over', async () => {
    await using rig = await Rig.start();
    const sender = await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person, other);
    await using phone = phones[0];
    await using second = phones[1];
    await phone?.handset[Symbol.asyncDispose]();
    const waiting = await send(client, person, 'pushed before');
    await rig.done('r1');
    await rig.append('range-r1', [
      { key: '33612345678', headers: { kind: 'merge', id: 'new', version: 1 }, value: new Uint8Array() },
    ]);
    await send(client, person, 'behind it');
    await until(() => /merge/.test(sender.notReady()['range r1'] ?? ''));
    await allEnded(client, [await send(client, other, 'goes on')]);
    assert.deepEqual(bodies(second), ['goes on']);
    assert.equal((await rig.row('r1'))['next_offset'], (await rig.log.end('range-r1')) - 2);
    assert.deepEqual(statesOf(await allEvents(client), waiting), [MessageState.ACCEPTED, MessageState.SENT]);
  });

  test('whose last record is not the one that was done stops the range with an alarm, and it stays stopped', async () => {
    await using rig = await Rig.start();
    const former = await rig.startShard('s1');
    const { client, phones } = await prepared(rig, person, other);
    await using phone = phones[0];
    await using second = phones[1];
    await allEnded(client, [await send(client, person, 'one')]);
    await rig.done('r1');
    await former[Symbol.asyncDispose]();
    // The log lost its tail and grew again: another record is where the last one was.
    await rig.store.transaction((tx) => tx.run("UPDATE range_progress SET last_id = 'another' WHERE range_id = 'r1'"));
    const sender = await rig.startShard('s1', { waits: false });
    await until(() => /lost its tail/.test(sender.notReady()['range r1'] ?? ''));
    const before = await rig.row('r1');
    await send(client, person, 'two');
    await allEnded(client, [await send(client, other, 'goes on')]);
    assert.deepEqual(bodies(second), ['goes on']);
    assert.deepEqual(bodies(phone), ['one']);
    assert.deepEqual(await rig.row('r1'), before, 'nothing is committed to it');
  });
});
