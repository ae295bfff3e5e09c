import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Coordination } from '@chappe/coordination/coordination';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Log } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { putRange, type Range } from '@chappe/ranges/range';
import { formatShardInfo, shardPrefix, type ShardInfo } from '@chappe/ranges/shard-info';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { PriceBooks } from '@chappe/rating/price-book';
import { Channel } from '@chappe/rpc/client';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { openSenderEvents } from '../src/events.ts';
import { noGauges } from './no-gauges.ts';
import { Shard } from '../src/shard.ts';
import { attachOf, until } from './attach-of.ts';
import { migrateSender, range as anyRange } from './one-range.ts';

const instance = 's1-1';
/** Numbers that begin with 1 to 4, and those above. */
const low: Range = { ...anyRange, id: 'low', end: '5', topic: 'range-low', ownerInstance: instance };
const high: Range = { ...anyRange, id: 'high', start: '5', topic: 'range-high', ownerInstance: instance };

/** Of another process. */
const anyShard: ShardInfo = {
  id: 's1',
  instance: 's1-0',
  address: 'unix:/nowhere',
  zone: 'a',
  capacity: 1_500,
  ranges: 0,
  rate: 0,
  attachedDevices: 0,
  load: {},
};

interface Started {
  readonly shard: Shard;
  readonly coordination: Coordination;
  /** Lets the log answer for the low range. */
  readonly answer: () => void;
}

/** A shard that owns two ranges; the log does not answer for one of them. */
async function startShard(t: TestContext, before?: ShardInfo): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-shard-'));
  await using opened = new AsyncDisposableStack();
  opened.defer(() => rm(folder, { recursive: true }));
  const store = opened.use(await openSqliteStore({ path: join(folder, 'store.sqlite') }));
  const log = opened.use(await openSqliteLog({ path: join(folder, 'log.sqlite') }));
  const coordination = opened.use(await openEmbeddedCoordination({ path: join(folder, 'coordination.sqlite') }));
  const channel = opened.use(new Channel({ address: '127.0.0.1:1' }));
  await migrateSender(store);
  for (const { topic } of [low, high]) await log.createTopic(topic);
  await coordination.transact([], [{ kind: 'put', key: 'generation', value: '1' }, putRange(low), putRange(high)]);
  if (before !== undefined)
    await coordination.transact([], [{ kind: 'put', key: shardPrefix + before.id, value: formatShardInfo(before) }]);
  const table = opened.use(await watchRoutingTable(coordination));
  const { log: logger, metrics } = openTelemetry({ service: 'test', level: 'fatal' });
  const gate = Promise.withResolvers<void>();
  const shard = new Shard({
    id: 's1',
    instance,
    zone: 'a',
    capacity: 1_500,
    address: 'unix:/nowhere',
    coordination,
    table,
    stores: { of: () => store },
    tickIntervalMs: 60_000,
    handOverMs: 0,
    worker: {
      log: slowFor(low.topic, log, gate.promise),
      crypto: channel.client(CryptoService),
      preKeys: channel.client(PreKeyService),
      books: () => PriceBooks.of([]),
      events: openSenderEvents('s1', logger, metrics, noGauges),
      logger,
      eventBuckets: 1,
      now: Date.now,
    },
  });
  opened.use(shard);
  const resources = opened.move();
  t.after(async () => {
    gate.resolve();
    await resources.disposeAsync();
  });
  shard.start();
  return { shard, coordination, answer: () => gate.resolve() };
}

function slowFor(topic: string, log: Log, answers: Promise<void>): Log {
  return {
    createTopic: (name) => log.createTopic(name),
    deleteTopic: (name) => log.deleteTopic(name),
    append: (appends) => log.append(appends),
    openReader: async (name, from, last) => {
      if (name === topic) await answers;
      return log.openReader(name, from, last);
    },
    readAt: (name, from, limit) => log.readAt(name, from, limit),
    end: (name) => log.end(name),
    copies: (topics) => log.copies(topics),
    seal: (topics) => log.seal(topics),
    sealedEnd: (name) => log.sealedEnd(name),
    deleteBefore: (name, offset) => log.deleteBefore(name, offset),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

test('a range that takes long keeps no other waiting', { timeout: 20_000 }, async (t) => {
  const { shard, answer } = await startShard(t);
  await until(() => shard.workers.has('high'));
  assert.deepEqual([...shard.workers.keys()], ['high']);
  answer();
  await until(() => shard.workers.has('low'));
});

test('a shard whose name another process has takes nothing, says so, and takes over once that one is gone', async (t) => {
  const other: ShardInfo = { ...anyShard, address: 'sender-0.other:7403' };
  const { shard, coordination } = await startShard(t, other);
  await until(() => /sender-0\.other:7403: give each process a CHAPPE_SHARD_ID/.test(shard.notReady()['shard'] ?? ''));
  assert.deepEqual([...shard.workers.keys()], []);
  assert.equal((await coordination.get(`${shardPrefix}s1`))?.value, formatShardInfo(other));
  await coordination.transact([], [{ kind: 'delete', key: `${shardPrefix}s1` }]);
  await until(() => shard.workers.has('high'));
});

test('a shard that starts again at its address does not wait until its predecessor is forgotten', async (t) => {
  const { shard } = await startShard(t, anyShard);
  await until(() => shard.workers.has('high'));
});

test(
  'what a device says while its range is taken reaches the worker, and is refused when the shard has ended',
  { timeout: 20_000 },
  async (t) => {
    const { shard, answer } = await startShard(t);
    await until(() => shard.workers.has('high'));
    const early = attachOf('33612345678');
    await shard.takeDeviceWork(early.work);
    await pause(50);
    assert.deepEqual(early.refusals, []);
    answer();
    // The worker has looked: nobody registered this device.
    await until(() => early.refusals.length > 0);
    assert.deepEqual(early.refusals, ['unknown_device']);

    await shard[Symbol.asyncDispose]();
    const late = attachOf('33612345678');
    await shard.takeDeviceWork(late.work);
    assert.deepEqual(late.refusals, ['not_owner']);
  },
);
