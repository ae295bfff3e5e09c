import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { create, toBinary } from '@bufbuild/protobuf';
import { LogError } from '@chappe/log/log-error';
import type { Log, LogReader } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { CommandSchema } from '@chappe/proto/internal/commands';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { PriceBooks, type PriceBook } from '@chappe/rating/price-book';
import { Channel } from '@chappe/rpc/client';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { StoreError, type Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import type { Registry } from 'prom-client';
import { openSenderEvents } from '../src/events.ts';
import { noGauges } from './no-gauges.ts';
import { RangeWorker, type WorkerEnd } from '../src/range-worker.ts';
import { commandVersion } from '../src/read-commands.ts';
import { attachOf, until } from './attach-of.ts';
import { claim, migrateSender, range } from './one-range.ts';

const freeBook: PriceBook = {
  version: 'free',
  effectiveFromMs: 0,
  currency: 'EUR',
  source: 'a test',
  default: { marketing: 0, utility: 0, authentication: 0, service: 0 },
  countries: {},
};

interface Started {
  readonly store: Store;
  readonly log: Log;
  readonly metrics: Registry;
  readonly worker: RangeWorker;
  readonly ended: Promise<WorkerEnd>;
}

async function startWorker(
  t: TestContext,
  now: () => number = Date.now,
  readerOf = (reader: LogReader) => reader,
  storeOf = (store: Store) => store,
): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-worker-'));
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  // Nobody is there: what devices say needs neither crypto nor prekeys.
  const channel = new Channel({ address: '127.0.0.1:1' });
  await migrateSender(store);
  await log.createTopic(range.topic);
  const { log: logger, metrics } = openTelemetry({ service: 'test', level: 'fatal' });
  const worker = new RangeWorker(range, await claim(store, 1, 'one'), {
    log,
    store: storeOf(store),
    crypto: channel.client(CryptoService),
    preKeys: channel.client(PreKeyService),
    books: () => PriceBooks.of([freeBook]),
    events: openSenderEvents('s1', logger, metrics, noGauges),
    logger,
    eventBuckets: 1,
    cacheBytesMax: () => 2 ** 20,
    readAheadBytesMax: () => 2 ** 20,
    now,
  });
  const ended = worker.run(readerOf(await log.openReader(range.topic, 0)));
  t.after(async () => {
    await worker.stop();
    channel[Symbol.dispose]();
    await log[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return { store, log, metrics, worker, ended };
}

/** A command that needs neither crypto nor prekeys. */
async function appendTick(log: Log, id: string): Promise<void> {
  const value = toBinary(CommandSchema, create(CommandSchema, { kind: { case: 'tick', value: {} } }));
  const record = { key: '33612345678', headers: { kind: 'tick', id, version: commandVersion }, value };
  const [result] = await log.append([{ topic: range.topic, records: [record] }]);
  assert.equal(result?.kind, 'appended');
}

async function clockAlarms(metrics: Registry): Promise<number> {
  const metric = await metrics.getSingleMetric('chappe_sender_alarms_total')?.get();
  return metric?.values.find(({ labels }) => labels['alarm'] === 'clock')?.value ?? 0;
}

const dayAndHourMs = 25 * 3_600_000;

test('a range that was refused a commit and has nothing else to do makes it again, and is well by itself', async (t) => {
  let refusals = 0;
  const { worker } = await startWorker(t, Date.now, undefined, (store) => ({
    dialect: store.dialect,
    query: (...query) => store.query(...query),
    queryAll: (queries) => store.queryAll(queries),
    endHolder: (...query) => store.endHolder(...query),
    transaction: (work) => {
      refusals += 1;
      return refusals === 1 ? Promise.reject(new StoreError('unavailable', 'away')) : store.transaction(work);
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }));
  worker.forgetOldIds();
  await until(() => worker.problem !== undefined);
  await until(() => worker.problem === undefined);
  assert.equal(refusals, 2);
});

test('a sender whose clock is 25 h behind decides nothing, says why, and goes on once the clock is set (3.6)', async (t) => {
  let apartMs = -dayAndHourMs;
  const { store, log, metrics, worker } = await startWorker(t, () => Date.now() + apartMs);
  await appendTick(log, 't1');
  await until(() => worker.problem !== undefined);
  assert.match(worker.problem ?? '', /10 min ahead of this sender's clock: it waits; set the clocks/);
  assert.equal(await clockAlarms(metrics), 1);
  assert.equal(worker.nextOffset, 0);
  const [row] = await store.query('SELECT next_offset FROM range_progress');
  assert.equal(row?.['next_offset'], 0);
  apartMs = 0;
  await until(() => worker.nextOffset === 1);
  assert.equal(worker.problem, undefined);
});

test('a sender whose clock is 25 h ahead goes by the clock of the log, and says that the clocks are apart', async (t) => {
  const { log, metrics, worker } = await startWorker(t, () => Date.now() + dayAndHourMs);
  let appended = 0;
  await until(async () => {
    if (worker.problem !== undefined) return true;
    appended += 1;
    await appendTick(log, `t${appended}`);
    await until(() => worker.nextOffset === appended);
    // Longer each time: the worker must have waited for the record.
    await pause(100 * appended);
    return false;
  });
  assert.match(
    worker.problem ?? '',
    /this sender's clock is over 10 min ahead of the log's append times: set the clocks/,
  );
  assert.ok(worker.nowMs() - Date.now() < 10_000, 'what it does by the clock, it does by that of the log');
  await appendTick(log, 'last');
  await until(() => worker.nextOffset === appended + 1);
  assert.ok((await clockAlarms(metrics)) > 0);
});

test('a range to which nothing comes has no problem any more once its topic can be read again', async (t) => {
  let hasFailed = false;
  const failingOnce = (reader: LogReader): LogReader => ({
    read: (limits, signal) => {
      if (hasFailed) return reader.read(limits, signal);
      hasFailed = true;
      return Promise.reject(new LogError('unavailable', 'the broker is away'));
    },
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  });
  const { worker } = await startWorker(t, Date.now, failingOnce);
  await until(() => worker.problem?.includes('the broker is away') === true);
  await until(() => worker.problem === undefined);
});

test('a relay whose device came to a worker that has ended hears that it is not the owner', async (t) => {
  const { worker, ended } = await startWorker(t);
  await worker.stop();
  await ended;
  const { work, refusals } = attachOf('33612345678');
  await worker.takeDeviceWork(work);
  assert.deepEqual(refusals, ['not_owner']);
});

test('a relay whose device was in the turn that found the range taken hears that it is not the owner', async (t) => {
  const { store, worker, ended } = await startWorker(t);
  await claim(store, 2, 'two');
  const { work, refusals } = attachOf('33612345678');
  await worker.takeDeviceWork(work);
  assert.deepEqual(await ended, { kind: 'fenced', epoch: 2 });
  assert.equal(refusals.at(-1), 'not_owner');
});

test('a store that is away while a range is taken is asked until it answers, and no alarm is raised', async (t) => {
  let isAway = true;
  let asked = 0;
  const storeOf = (store: Store): Store => ({
    ...storeAs(store),
    query: async (sql, parameters) => {
      if (!isAway || !sql.includes('FROM outbox')) return store.query(sql, parameters);
      asked += 1;
      throw new StoreError('unavailable', 'away');
    },
  });
  const { log, worker, ended } = await startWorker(t, Date.now, undefined, storeOf);
  await until(() => asked > 1);
  assert.equal(worker.problem, 'away');
  isAway = false;
  await appendTick(log, 'tick-1');
  await until(() => worker.nextOffset === 1);
  assert.equal(worker.problem, undefined);
  await worker.stop();
  assert.deepEqual(await ended, { kind: 'stopped' });
});

test('a worker that is told to stop while the store is away has stopped, not failed', async (t) => {
  const storeOf = (store: Store): Store => ({
    ...storeAs(store),
    query: async () => {
      throw new StoreError('unavailable', 'away');
    },
  });
  const { worker, ended } = await startWorker(t, Date.now, undefined, storeOf);
  await until(() => worker.problem !== undefined);
  await worker.stop();
  assert.deepEqual(await ended, { kind: 'stopped' });
});

function storeAs(store: Store): Store {
  return {
    dialect: store.dialect,
    query: (sql, parameters) => store.query(sql, parameters),
    queryAll: (queries) => store.queryAll(queries),
    transaction: (work) => store.transaction(work),
    endHolder: (sql, parameters) => store.endHolder(sql, parameters),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
