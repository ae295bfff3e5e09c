/** Ranges in several stores: moved from one to another while messages flow, and a store that lost its last commits. On a real node. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '@chappe/client/admin-client';
import { StoreChangeKind, type Store } from '@chappe/proto/v1/cluster_service';
import { rangeOf, reshaped, startSending, untilEnded } from './ranges-under-load.ts';
import { allEnded, makeBusiness, makeNote, note, optIn, startPhone, startTestNode } from './test-node.ts';

const people = ['+33612010002', '+33612010003', '+33781010003'];
const number = '+33123456789';
const second = 'sqlite:store-second.sqlite';

describe('stores of ranges', () => {
  test('ORDER, ONCE, NO-LOSS: a range goes to another store under load, is cut there, and what cannot be is refused', async () => {
    await using node = await startTestNode();
    const { admin } = node;
    await using sending = await startSending(node, people, number);
    await sleep(100);

    const first = await rangeOf(admin, '336');
    await assert.rejects(reshaped(admin, { ranges: [first.id], store: 'second' }), /no store second/);
    await change(admin, 'second', StoreChangeKind.ADD, second);
    const again = await changed(admin, 'third', StoreChangeKind.ADD, second);
    assert.match(again.change?.problem ?? '', /database of store second/);
    const [moved] = await reshaped(admin, { ranges: [first.id], store: 'second' });
    await sleep(100);
    assert.equal((await rangeOf(admin, '336')).store, 'second');
    await assert.rejects(reshaped(admin, { ranges: [moved ?? ''], store: 'main' }), /still has former rows/);
    const left = await rangeOf(admin, '1');
    await assert.rejects(admin.cluster.reshapeRanges({ ranges: [left.id, moved ?? ''] }), /different stores/);
    const { reshape } = await admin.cluster.reshapeRanges({ ranges: [moved ?? ''], cuts: ['337'] });
    await untilEnded(admin, reshape?.id ?? '');
    assert.equal((await rangeOf(admin, '3378')).store, 'second');
    await sleep(100);
    await sending.end();
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
    await reshaped(first.admin, { ranges: [(await rangeOf(first.admin, '336')).id], store: 'second' });
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
