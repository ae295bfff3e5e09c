import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { expectOwnTables, expectOwnTopics } from '../src/cluster-mark.ts';

test('topics and tables belong to the cluster that came first; another one is refused, and told whose they are', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-mark-'));
  t.after(() => rm(folder, { recursive: true }));
  await using log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  await using store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  await expectOwnTopics(log, 'north');
  await expectOwnTables(store, 'north');
  await expectOwnTopics(log, 'north');
  await expectOwnTables(store, 'north');
  await assert.rejects(expectOwnTopics(log, 'south'), { kind: 'invalid', message: /cluster north, and this is south/ });
  await assert.rejects(expectOwnTables(store, 'south'), {
    kind: 'invalid',
    message: /cluster north, and this is south/,
  });
});

test('of two clusters that come at the same time one is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-mark-'));
  t.after(() => rm(folder, { recursive: true }));
  await using log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  await using store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const names = ['north', 'south', 'north', 'south'];
  const topics = await Promise.allSettled(names.map((name) => expectOwnTopics(log, name)));
  const tables = await Promise.allSettled(names.map((name) => expectOwnTables(store, name)));
  for (const outcomes of [topics, tables]) {
    const accepted = names.filter((_, index) => outcomes[index]?.status === 'fulfilled');
    assert.equal(accepted.length, 2);
    assert.equal(new Set(accepted).size, 1);
  }
});
