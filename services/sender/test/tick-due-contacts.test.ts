import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { migrate } from '@chappe/store/migrate';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { claimRange } from '../src/fence.ts';
import { ticksMax } from '../src/limits.ts';
import { messagesTable } from '../src/tables.ts';
import { tickDueContacts } from '../src/tick-due-contacts.ts';
import { start } from './person.ts';

test('BOUND: however many contacts wait for keys, each look goes on behind the last and all have their turn', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'chappe-tick-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const store = stack.use(await openSqliteStore({ path: join(folder, 'store.sqlite') }));
  const log = stack.use(await openSqliteLog({ path: join(folder, 'log.sqlite') }));
  await migrate(store, { service: 'sender', directory: new URL('../migrations', import.meta.url) });
  await log.createTopic('range-r1');
  const bounds = { start: '', end: endOfNumbers, topic: 'range-r1', store: 'main' };
  const range = { id: 'r1', state: 'active', owner: 's1', ownerInstance: 'a', epoch: 1, ...bounds } as const;
  await claimRange(store, range, 1, 'a');
  const contacts = Array.from({ length: ticksMax + 2 }, (_, index) => `${33600000000 + index}`);
  const expired = contacts.at(-1) ?? '';
  const row = (contact: string) => {
    const [held, expiresMs] = contact === expired ? ['', start] : ['prekeys', start + 1_000];
    const message = [`m${contact}`, contact, 'air', '33100000000', 1, 'accepted', held, 0, 'hold', ''];
    return [...message, 'FR', 'utility', 0, 1, 'USD', 'b1', start, expiresMs, null];
  };
  await store.transaction((tx) => tx.insert(messagesTable, contacts.map(row), 'fail'));
  const dependencies = { store, log, now: () => start, logNowMs: () => start };

  const last = await tickDueContacts(dependencies, range, '');
  assert.equal(last, contacts[ticksMax - 1]);
  assert.equal(await tickDueContacts(dependencies, range, last), '', 'and begins anew');
  const ticked = (await log.readAt('range-r1', 0, 10_000)).map(({ key }) => key);
  assert.deepEqual(ticked, contacts);
});
