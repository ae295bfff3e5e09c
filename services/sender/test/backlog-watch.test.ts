import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { migrate } from '@chappe/store/migrate';
import type { Range } from '@chappe/ranges/range';
import { BacklogWatch } from '../src/backlog-watch.ts';

const range: Range = {
  id: 'r1',
  start: '33',
  end: '34',
  state: 'active',
  owner: 's1',
  ownerInstance: 'x',
  epoch: 1,
  topic: 'range-r1',
  store: 'main',
};

test('what lies behind the end of the log and what is held is counted, of the ranges that are worked on alone', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-backlog-'));
  t.after(() => rm(folder, { recursive: true }));
  await using log = await openSqliteLog({ path: join(folder, 'log') });
  await using store = await openSqliteStore({ path: join(folder, 'store') });
  await migrate(store, { service: 'sender', directory: new URL('../migrations', import.meta.url) });
  await log.createTopic(range.topic);
  const record = (id: string) => ({ key: '336', headers: { kind: 'send', id, version: 1 }, value: new Uint8Array(1) });
  await log.append([{ topic: range.topic, records: ['a', 'b', 'c'].map(record) }]);
  const heldTable = {
    name: 'held_records',
    key: ['contact', 'record_offset', 'range_id'],
    columns: ['contact', 'record_offset', 'range_id', 'kind', 'id', 'version', 'append_time_ms', 'reason', 'value'],
  };
  const held = ['33612345678', '4420794601'].map((contact) => [
    contact,
    0,
    'r1',
    'send',
    'x',
    9,
    1,
    'newer',
    new Uint8Array(1),
  ]);
  await store.transaction((tx) => tx.insert(heldTable, held, 'fail'));

  const worker = { range, nextOffset: 1, doneBeyond: 0 };
  const workers = new Map([['r1', worker]]);
  await using watch = new BacklogWatch({ log, stores: { of: () => store }, workers: () => workers });
  assert.equal(watch.lagCommands, undefined);
  while (watch.lagCommands === undefined) await pause(1);
  assert.deepEqual([watch.lagCommands, watch.heldCommands], [2, 1]);
  worker.doneBeyond = 1;
  assert.equal(watch.lagCommands, 1);
  worker.doneBeyond = 0;
  worker.nextOffset = 3;
  assert.equal(watch.lagCommands, 0);
  workers.clear();
  assert.deepEqual([watch.lagCommands, watch.heldCommands], [0, 0]);
});
