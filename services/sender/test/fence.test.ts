import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { claimRange, commitThroughFence } from '../src/fence.ts';
import { claim, migrateSender, oneMore, range } from './one-range.ts';

async function openStore(t: TestContext): Promise<Store> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-fence-'));
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  t.after(async () => {
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  await migrateSender(store);
  return store;
}

const nothing = async (): Promise<void> => undefined;

test('an owner commits until a higher epoch has claimed the range, and never after (FENCE)', async (t) => {
  const store = await openStore(t);
  const first = await claim(store, 1, 'one');
  const committed = await commitThroughFence(store, 'r1', first, oneMore(first), nothing);
  assert.equal(committed.kind, 'committed');
  const second = await claim(store, 2, 'two');
  assert.equal(second.nextOffset, 1);
  const held = committed.kind === 'committed' ? committed.progress : first;
  const late = await commitThroughFence(store, 'r1', held, oneMore(held), () => assert.fail('it must not write'));
  assert.deepEqual(late, { kind: 'fenced', epoch: 2 });
  assert.equal((await commitThroughFence(store, 'r1', second, oneMore(second), nothing)).kind, 'committed');
});

test('a lower epoch, and the same one by another instance, cannot claim', async (t) => {
  const store = await openStore(t);
  await claim(store, 3, 'one');
  assert.deepEqual(await claimRange(store, range, 2, 'two'), { kind: 'refused', epoch: 3 });
  assert.deepEqual(await claimRange(store, range, 3, 'two'), { kind: 'refused', epoch: 3 });
  assert.equal((await claimRange(store, range, 3, 'one')).kind, 'claimed');
});

test('a store that lost a commit is noticed', async (t) => {
  const store = await openStore(t);
  const first = await claim(store, 1, 'one');
  const ahead = { ...first, nextOffset: first.nextOffset + 1, commitNo: first.commitNo + 1 };
  assert.equal((await commitThroughFence(store, 'r1', ahead, oneMore(ahead), nothing)).kind, 'rolled_back');
});

test('what is written with a commit that fails is gone with it', async (t) => {
  const store = await openStore(t);
  const first = await claim(store, 1, 'one');
  const work = commitThroughFence(store, 'r1', first, oneMore(first), async (tx) => {
    await tx.run("UPDATE range_progress SET last_id = 'written' WHERE range_id = 'r1'");
    throw new Error('a fault after the fence');
  });
  await assert.rejects(work, /a fault after the fence/);
  assert.equal((await claim(store, 1, 'one')).lastId, first.lastId);
});
