import type { Coordination, Operation } from '@chappe/coordination/coordination';
import { CoordinationError } from '@chappe/coordination/coordination';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatRange, type Range } from '../src/range.ts';
import { halves } from './halves.ts';
import { formatShardInfo, parseShardInfo, shardPrefix, type ShardInfo } from '../src/shard-info.ts';
import { watchRoutingTable } from '../src/table-watcher.ts';

const whole: Range = {
  id: 'r-0',
  start: '',
  end: endOfNumbers,
  state: 'active',
  owner: 's-1',
  ownerInstance: 'i-1',
  epoch: 1,
  topic: 'range-r-0',
  store: 'main',
};
const shard: ShardInfo = {
  id: 's-1',
  instance: 'i-1',
  address: '127.0.0.1:1',
  zone: 'a',
  capacity: 1_000,
  ranges: 1,
  rate: 0,
  attachedDevices: 0,
  load: { 'r-0': { nextOffset: 5, rate: 0.5 } },
};

test('a watcher has no table until one is there, and then follows it', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await using watcher = await watchRoutingTable(coordination);
  assert.equal(watcher.current(), undefined);
  assert.equal(watcher.stale(), false);
  const first = watcher.changed();
  await coordination.transact([], table([whole], 1));
  await first;
  assert.deepEqual(watcher.current()?.ranges, [whole]);
  const second = watcher.changed();
  const children = halves(whole, '336', ['r-1', 'r-2']);
  await coordination.transact([], table([{ ...whole, state: 'draining' }, ...children], 2));
  await second;
  assert.equal(watcher.current()?.generation, 2);
  assert.equal(watcher.current()?.find('33612345678').id, 'r-2');
});

test('a listener is told in the moment in which the table changes, and no more once it is disposed', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await coordination.transact([], table([whole], 1));
  await using watcher = await watchRoutingTable(coordination);
  const seen: unknown[] = [];
  const subscription = watcher.onChange(() => seen.push(watcher.current()?.byId('r-0')?.epoch));
  const next = watcher.changed();
  await coordination.transact([], table([{ ...whole, epoch: 2 }], 1));
  await next;
  assert.deepEqual(seen, [2]);
  subscription[Symbol.dispose]();
  const last = watcher.changed();
  await coordination.transact([], table([{ ...whole, epoch: 3 }], 1));
  await last;
  assert.deepEqual(seen, [2]);
});

test('shards are followed; a new load is shown but is no change, a new instance is one', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await coordination.transact([], [...table([whole], 1), put('shards/s-1', formatShardInfo(shard))]);
  await using watcher = await watchRoutingTable(coordination);
  let changes = 0;
  watcher.onChange(() => (changes += 1));
  await coordination.transact([], [put('shards/s-1', formatShardInfo({ ...shard, rate: 7 }))]);
  await until(() => watcher.shards().get('s-1')?.rate === 7);
  assert.equal(changes, 0);
  await coordination.transact([], [put('shards/s-1', formatShardInfo({ ...shard, instance: 'i-2' }))]);
  await until(() => changes === 1);
  assert.equal(watcher.shards().get('s-1')?.instance, 'i-2');
});

test('a table with a gap is not taken: the last good one stays, and the watcher says that it is stale', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await coordination.transact([], table([whole], 1));
  await using watcher = await watchRoutingTable(coordination);
  await coordination.transact([], table([{ ...whole, end: '5' }], 2));
  await until(() => watcher.stale());
  assert.match(watcher.problem() ?? '', /no range holds \[5, :\)/);
  assert.deepEqual(watcher.current()?.ranges, [whole]);
  await coordination.transact([], table([whole], 3));
  await until(() => !watcher.stale());
  assert.equal(watcher.current()?.generation, 3);
});

test('a shard that cannot be read is left out and reported, and the table is followed all the same', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await coordination.transact(
    [],
    [...table([whole], 1), put('shards/s-1', formatShardInfo(shard)), put('shards/s-2', '{}')],
  );
  await using watcher = await watchRoutingTable(coordination);
  assert.match(watcher.problem() ?? '', /shards\/s-2/);
  assert.deepEqual([...watcher.shards().keys()], ['s-1']);
  assert.equal(watcher.current()?.generation, 1);
});

test('while coordination is away the last table stays, and it is read again afterwards', async () => {
  await using real = await openEmbeddedCoordination({});
  await real.transact([], table([whole], 1));
  let away = false;
  const guard = <T>(work: () => Promise<T>): Promise<T> =>
    away ? Promise.reject(new CoordinationError('unavailable', 'away')) : work();
  const coordination: Coordination = {
    get: (key) => guard(() => real.get(key)),
    list: (prefix) => guard(() => real.list(prefix)),
    transact: (compares, operations) => guard(() => real.transact(compares, operations)),
    grantLease: (ttlMs) => guard(() => real.grantLease(ttlMs)),
    watch: (prefix, onChange) => real.watch(prefix, onChange),
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using watcher = await watchRoutingTable(coordination);
  away = true;
  await real.transact([], table([{ ...whole, epoch: 2 }], 1));
  await until(() => watcher.stale());
  assert.equal(watcher.current()?.byId('r-0')?.epoch, 1);
  away = false;
  await until(() => !watcher.stale());
  assert.equal(watcher.current()?.byId('r-0')?.epoch, 2);
});

test('a new table is told of even if the shards that are read with it do not come', async () => {
  await using real = await openEmbeddedCoordination({});
  await real.transact([], table([whole], 1));
  let lost = 0;
  const coordination: Coordination = {
    get: (key) => real.get(key),
    list: async (prefix) => {
      if (prefix !== shardPrefix || lost === 0) return real.list(prefix);
      lost -= 1;
      throw new CoordinationError('unavailable', 'away');
    },
    transact: (compares, operations) => real.transact(compares, operations),
    grantLease: (ttlMs) => real.grantLease(ttlMs),
    watch: (prefix, onChange) => real.watch(prefix, onChange),
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using watcher = await watchRoutingTable(coordination);
  lost = 1;
  const changed = watcher.changed();
  await real.transact([], table([{ ...whole, epoch: 2 }], 1));
  await changed;
  assert.equal(watcher.current()?.byId('r-0')?.epoch, 2);
});

test('what a shard says of itself survives being written and read, and nonsense is refused with the field', () => {
  assert.deepEqual(parseShardInfo(formatShardInfo(shard)), shard);
  assert.throws(() => parseShardInfo('null'), /not an object/);
  assert.throws(() => parseShardInfo(JSON.stringify({ ...shard, zone: 1 })), /zone/);
  assert.throws(() => parseShardInfo(JSON.stringify({ ...shard, rate: 'x' })), /rate/);
  assert.throws(() => parseShardInfo(JSON.stringify({ ...shard, load: { 'r-0': {} } })), /load of range r-0/);
});

function table(ranges: readonly Range[], generation: number): Operation[] {
  return [
    ...ranges.map((range) => put(`ranges/${range.id}`, formatRange(range))),
    put('generation', String(generation)),
  ];
}

function put(key: string, value: string): Operation {
  return { kind: 'put', key, value };
}

/** Looks again and again; the test's own time limit ends it. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2));
}
