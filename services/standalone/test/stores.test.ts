/** Ranges in several stores: moved from one to another while messages flow, and a store that lost its last commits. On a real node. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '@chappe/client/admin-client';
import { StoreChangeKind, type Range, type Reshape, type Store } from '@chappe/proto/v1/cluster_service';
import { Tally } from '../../../load-tests/checker/tally.ts';
import { allEnded, makeBusiness, makeNote, note, optIn, startPhone, startTestNode } from './test-node.ts';

const people = ['+33612010002', '+33612010003', '+33781010003'];
const number = '+33123456789';
const second = 'sqlite:store-second.sqlite';

describe('stores of ranges', () => {
  test('ORDER, ONCE, NO-LOSS: a range goes to another store under load, is cut there, and what cannot be is refused', async () => {
    await using node = await startTestNode();
    const { admin } = node;
    const { client } = await makeBusiness(node, 'Air Semaphore', number);
    await makeNote(client);
    await optIn(client, ...people);
    const tally = new Tally();
    const phones = await Promise.all(
      people.map((person) =>
        startPhone(node, person, {
          listener: { onMessage: ({ messageId, from }) => tally.noteShown(person, person, `+${from}`, messageId) },
        }),
      ),
    );
    await using stream = client.openSendStream();
    const ids: string[] = [];
    const sent: number[] = [];
    const over = new AbortController();
    const sending = people.map(async (person, index) => {
      for (let count = 0; !over.signal.aborted; count += 1) {
        const key = `${person}-${count}`;
        tally.noteSubmitted({ key, contact: person, number });
        const { messageId } = await stream.send(note(person, key, key));
        tally.noteAccepted(key, messageId);
        ids.push(messageId);
        sent[index] = count + 1;
        await sleep(2);
      }
    });
    await sleep(100);

    const first = await rangeOf(admin, '336');
    await assert.rejects(move(admin, first.id, 'second'), /no store second/);
    await change(admin, 'second', StoreChangeKind.ADD, second);
    const again = await changed(admin, 'third', StoreChangeKind.ADD, second);
    assert.match(again.change?.problem ?? '', /database of store second/);
    const [moved] = await move(admin, first.id, 'second');
    await sleep(100);
    assert.equal((await rangeOf(admin, '336')).store, 'second');
    await assert.rejects(move(admin, moved ?? '', 'main'), /still has former rows/);
    const left = await rangeOf(admin, '1');
    await assert.rejects(admin.cluster.reshapeRanges({ ranges: [left.id, moved ?? ''] }), /different stores/);
    const { reshape } = await admin.cluster.reshapeRanges({ ranges: [moved ?? ''], cuts: ['337'] });
    await untilEnded(admin, reshape?.id ?? '');
    assert.equal((await rangeOf(admin, '3378')).store, 'second');
    await sleep(100);
    over.abort();
    await Promise.all(sending);
    await allEnded(client, ids);
    for (const [index, phone] of phones.entries()) await phone.showed(sent[index] ?? 0);
    for (const phone of phones) await phone[Symbol.asyncDispose]();
    assert.ok(ids.length > people.length * 4, `only ${ids.length} messages were sent meanwhile`);
    const misplaced = tally.problems().filter((problem) => /^(ORDER|ONCE: .* shown|TENANT)/u.test(problem));
    assert.deepEqual(misplaced, []);
    const { stores } = await admin.cluster.listStores({});
    assert.deepEqual(
      stores.map(({ id, ranges }) => [id, ranges]),
      [
        ['main', 3],
        ['second', 2],
        ['third', 0],
      ],
    );
  });

  test('NO-LOSS, ONCE: what a store lost is done again after `restored`, under new sessions and a new count', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chappe-stores-'));
    const first = await startTestNode(folder);
    const { client } = await makeBusiness(first, 'Air Semaphore', number);
    await makeNote(client);
    const [person = ''] = people;
    await optIn(client, person);
    const phone = await startPhone(first, person);
    const texts = new Map<string, string>();
    const sendAll = async (...some: string[]): Promise<void> => {
      for (const text of some) texts.set((await client.send(note(person, text, text))).messageId, text);
      await allEnded(client, [...texts.keys()]);
    };
    await change(first.admin, 'second', StoreChangeKind.ADD, second);
    await move(first.admin, (await rangeOf(first.admin, '336')).id, 'second');
    await sendAll('one', 'two');
    await phone.showed(2);
    await first.node[Symbol.asyncDispose]();
    const file = join(folder, 'store-second.sqlite');
    await copyFile(file, `${file}.backup`);
    await first.restart();
    await sendAll('three', 'four', 'five');
    await phone.showed(5);
    await first.node[Symbol.asyncDispose]();
    for (const end of ['', '-wal', '-shm']) await rm(file + end, { force: true });
    await copyFile(`${file}.backup`, file);
    await first.restart();
    const store = await change(first.admin, 'second', StoreChangeKind.RESTORED, '');
    assert.equal(store.incarnation, 2n);
    await sendAll('six');
    await phone.showed(6);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => texts.get(messageId)),
      ['one', 'two', 'three', 'four', 'five', 'six'],
    );
    await phone[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    const database = new DatabaseSync(file, { readOnly: true });
    const all = (sql: string): unknown[] =>
      database
        .prepare(sql)
        .all()
        .map((row) => Object.values(row)[0]);
    assert.deepEqual(all("SELECT incarnation FROM range_progress WHERE state = 'active'"), [2]);
    assert.deepEqual(all('SELECT incarnation FROM sessions'), [2], 'no session of before encrypts again');
    assert.deepEqual(all('SELECT incarnation FROM mailboxes'), [1_001], 'no number of before is given again');
    database.close();
    await rm(folder, { recursive: true });
  });
});

async function rangeOf({ cluster }: AdminClient, prefix: string): Promise<Range> {
  const { ranges } = await cluster.listRanges({});
  const found = ranges.find(
    ({ state, start, end }) => state === 'active' && start <= prefix && (end === '' || prefix < end),
  );
  assert.ok(found !== undefined, `no active range holds ${prefix}`);
  return found;
}

/** The new ranges. */
async function move(admin: AdminClient, range: string, store: string): Promise<string[]> {
  const { reshape } = await admin.cluster.reshapeRanges({ ranges: [range], store });
  const ended = await untilEnded(admin, reshape?.id ?? '');
  assert.equal(ended.step, 'active', ended.problem);
  return ended.newRanges;
}

async function untilEnded({ cluster }: AdminClient, id: string): Promise<Reshape> {
  for (;;) {
    const found = (await cluster.listReshapes({})).reshapes.find((reshape) => reshape.id === id);
    if (found !== undefined && ['active', 'refused', 'undone'].includes(found.step)) return found;
    await sleep(5);
  }
}

/** The store as it is when the wish for it was fulfilled or refused. */
async function changed({ cluster }: AdminClient, id: string, kind: StoreChangeKind, address: string): Promise<Store> {
  await cluster.changeStore({ store: id, kind, address });
  for (;;) {
    const found = (await cluster.listStores({})).stores.find((store) => store.id === id);
    if (found?.change !== undefined && found.change.step !== 'requested') return found;
    await sleep(5);
  }
}

async function change(admin: AdminClient, id: string, kind: StoreChangeKind, address: string): Promise<Store> {
  const store = await changed(admin, id, kind, address);
  assert.equal(store.change?.step, 'done', store.change?.problem ?? '');
  return store;
}
