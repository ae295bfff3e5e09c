import { create, toBinary } from '@bufbuild/protobuf';
import { openEmbeddedCoordination, type EmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Coordination, Lease } from '@chappe/coordination/coordination';
import type { Log, NewRecord } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { EventFrameSchema, type EventFrame } from '@chappe/proto/internal/events';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { StoreError, type Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { advance, claimBucket, reread } from '../src/event-progress.ts';
import { startEventConsumer, type EventConsumer, type EventConsumerOptions } from '../src/event-consumer.ts';

const { log: logger } = openTelemetry({ service: 'test', level: 'silent' });

interface Bench extends AsyncDisposable {
  readonly log: Log;
  readonly store: Store;
  readonly coordination: EmbeddedCoordination;
  append(bucket: number, ...ids: string[]): Promise<void>;
  /** Starts an instance that writes each event's id to a table; a repeat is an error of the table. */
  start(instance: string, options?: Partial<EventConsumerOptions<readonly EventFrame[]>>): EventConsumer;
  /** What was written, once there are so many. */
  seen(count: number): Promise<string[]>;
}

test('frames are handed over in order, and each counts once', async () => {
  await using bench = await openBench();
  await bench.append(0, 'a', 'b');
  await using consumer = bench.start('one');
  await bench.append(0, 'c');
  assert.deepEqual(await bench.seen(3), ['a', 'b', 'c']);
  await until(() => consumer.problem() === undefined && consumer.lag() === 0);
});

test('a frame that its range publishes again is dropped, by any instance', async () => {
  await using bench = await openBench();
  const first = bench.start('one');
  await bench.append(0, 'a', 'b', 'a');
  assert.deepEqual(await bench.seen(2), ['a', 'b']);
  await first[Symbol.asyncDispose]();
  await using second = bench.start('two');
  await bench.append(0, 'b', 'a', 'c');
  assert.deepEqual(await bench.seen(3), ['a', 'b', 'c']);
  await until(() => second.problem() === undefined && second.lag() === 0);
  assert.deepEqual(await bench.seen(3), ['a', 'b', 'c']);
});

test('a second instance takes its share, and the whole when the first is gone', async () => {
  await using bench = await openBench();
  const first = bench.start('one', { buckets: 4 });
  await until(() => first.held().length === 4);
  await using second = bench.start('two', { buckets: 4 });
  await until(() => first.held().length === 2 && second.held().length === 2);
  for (const bucket of [0, 1, 2, 3]) await bench.append(bucket, `before-${bucket}`);
  await bench.seen(4);
  await first[Symbol.asyncDispose]();
  await until(() => second.held().length === 4);
  for (const bucket of [0, 1, 2, 3]) await bench.append(bucket, `after-${bucket}`);
  assert.equal(new Set(await bench.seen(8)).size, 8);
});

test('FENCE: an instance that lost its bucket without knowing cannot write', async () => {
  await using bench = await openBench();
  const { store } = bench;
  await using consumer = bench.start('one');
  await until(() => consumer.problem() === undefined);
  const { claim: old, nextOffset } = await claimBucket(store, 'test', 7, 'old');
  const { claim } = await claimBucket(store, 'test', 7, 'new');
  assert.ok(claim.epoch > old.epoch);
  const next = { offset: nextOffset, id: 'f' };
  let worked = false;
  const work = async (): Promise<void> => {
    worked = true;
  };
  assert.equal(await advance(store, old, nextOffset, next, work), 'fenced');
  assert.equal(worked, false);
  assert.equal(await reread(store, old), undefined);
  assert.equal(await advance(store, claim, nextOffset, next, work), 'committed');
  assert.equal(await reread(store, claim), nextOffset + 1);
});

test('FENCE: a bucket whose row was claimed by somebody else is given up, and claimed anew by who holds the lease', async () => {
  await using bench = await openBench();
  await using consumer = bench.start('one');
  await bench.append(0, 'a');
  await bench.seen(1);
  await claimBucket(bench.store, 'test', 0, 'stranger');
  await bench.append(0, 'b', 'c');
  assert.deepEqual(await bench.seen(3), ['a', 'b', 'c']);
  const [row] = await bench.store.query('SELECT epoch, instance FROM event_progress');
  assert.deepEqual({ ...row }, { epoch: 3, instance: 'one' });
  assert.deepEqual(consumer.held(), [0]);
});

test('NO-LOSS: what a restored store has lost is done again, though nothing new comes', async () => {
  await using bench = await openBench();
  await using consumer = bench.start('one');
  await bench.append(0, 'a');
  await bench.seen(1);
  await bench.append(0, 'b', 'c');
  await bench.seen(3);
  await bench.store.transaction(async (tx) => {
    await tx.run("DELETE FROM seen WHERE id <> 'a'", []);
    await tx.run("DELETE FROM event_frames WHERE range_id <> 'a'", []);
    await tx.run('UPDATE event_progress SET next_offset = 1', []);
  });
  assert.deepEqual(await bench.seen(3), ['a', 'b', 'c']);
  await until(() => consumer.problem() === undefined);
});

test('NO-LOSS: a bucket whose log lost its tail and grew again stands still and says so', async () => {
  await using bench = await openBench();
  const first = bench.start('one');
  await bench.append(0, 'a', 'b');
  await bench.seen(2);
  await first[Symbol.asyncDispose]();
  // As if another record stood where `b` was read.
  await bench.store.transaction((tx) => tx.run("UPDATE event_progress SET last_id = 'another'", []));
  await using second = bench.start('two');
  await bench.append(0, 'c');
  await until(() => /bucket 0: .*grew again/.test(second.problem() ?? ''));
  assert.deepEqual(await bench.seen(2), ['a', 'b']);
});

test('a lost lease moves nothing: the instance goes on and takes a new one', async () => {
  await using bench = await openBench();
  const leases: Lease[] = [];
  const { coordination: real } = bench;
  const coordination: Coordination = {
    get: (key) => real.get(key),
    list: (prefix) => real.list(prefix),
    transact: (compares, operations) => real.transact(compares, operations),
    watch: (prefix, onChange) => real.watch(prefix, onChange),
    grantLease: async (ttlMs) => {
      const lease = await real.grantLease(ttlMs);
      leases.push(lease);
      return lease;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using consumer = bench.start('one', { coordination });
  await bench.append(0, 'a');
  await bench.seen(1);
  const [lease] = leases;
  assert.ok(lease !== undefined);
  bench.coordination.expireLease(lease);
  await bench.append(0, 'b');
  assert.deepEqual(await bench.seen(2), ['a', 'b']);
  await until(() => leases.length === 2);
  assert.deepEqual(consumer.held(), [0]);
  const [row] = await bench.store.query('SELECT epoch FROM event_progress');
  assert.equal(row?.['epoch'], 1);
});

test('a handler that fails is called again with the same frames, and the bucket says why it waits', async () => {
  await using bench = await openBench();
  let failures = 0;
  await using consumer = bench.start('one', {
    handle: async (tx, frames) => {
      for (const { range } of frames) await tx.run('INSERT INTO seen (id) VALUES (?)', [range]);
      failures += 1;
      if (failures <= 2) throw new Error('not yet');
      return frames;
    },
  });
  await bench.append(0, 'a');
  await until(() => consumer.problem()?.includes('not yet') === true);
  assert.deepEqual(await bench.seen(1), ['a']);
  await until(() => consumer.problem() === undefined);
});

for (const happened of [true, false]) {
  test(`a commit of unknown outcome that ${happened ? 'happened' : 'did not happen'} counts once`, async () => {
    await using bench = await openBench();
    let lost = false;
    const committed: string[] = [];
    const store: Store = {
      dialect: bench.store.dialect,
      query: (sql, parameters) => bench.store.query(sql, parameters),
      queryAll: (queries) => bench.store.queryAll(queries),
      transaction: async (work) => {
        let touched = false;
        const watched = await bench.store.transaction(async (tx) => {
          const run: typeof tx.run = (sql, parameters) => {
            touched ||= sql.startsWith('INSERT INTO seen');
            return tx.run(sql, parameters);
          };
          const reads = {
            query: tx.query.bind(tx),
            queryAll: tx.queryAll.bind(tx),
            queryForUpdate: tx.queryForUpdate.bind(tx),
          };
          const writes = { run, runMany: tx.runMany.bind(tx), insert: tx.insert.bind(tx) };
          const result = await work({ connectionId: tx.connectionId, ...reads, ...writes });
          if (touched && !lost && !happened) {
            lost = true;
            throw new StoreError('unknown', 'the connection was lost while committing');
          }
          return result;
        });
        if (touched && !lost) {
          lost = true;
          throw new StoreError('unknown', 'the connection was lost while committing');
        }
        return watched;
      },
      endHolder: (sql, parameters) => bench.store.endHolder(sql, parameters),
      [Symbol.asyncDispose]: async () => undefined,
    };
    await using consumer = bench.start('one', {
      store,
      committed: (frames) => committed.push(...frames.map(({ range }) => range)),
    });
    await bench.append(0, 'a', 'b');
    assert.deepEqual(await bench.seen(2), ['a', 'b']);
    await bench.append(0, 'c');
    assert.deepEqual(await bench.seen(3), ['a', 'b', 'c']);
    await until(() => committed.length === 3);
    assert.deepEqual(committed, ['a', 'b', 'c']);
    assert.ok(lost);
    assert.equal(consumer.problem(), undefined);
  });
}

test('a record that is no event frame stops its bucket with a reason, and no other', async () => {
  await using bench = await openBench();
  await using consumer = bench.start('one', { buckets: 2 });
  await until(() => consumer.problem() === undefined);
  await bench.log.append([{ topic: 'events-0', records: [record(new Uint8Array([255, 255]))] }]);
  await until(() => consumer.problem()?.includes('offset 0 of events-0 is not an event frame') === true);
  await bench.append(1, 'a');
  assert.deepEqual(await bench.seen(1), ['a']);
});

async function openBench(): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-event-consumer-'));
  const log = await openSqliteLog({ path: join(folder, 'log.db') });
  const store = await openSqliteStore({ path: join(folder, 'store.db') });
  const coordination = await openEmbeddedCoordination({});
  await store.transaction((tx) => tx.run('CREATE TABLE seen (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT'));
  return {
    log,
    store,
    coordination,
    append: async (bucket, ...ids) => {
      await log.createTopic(`events-${bucket}`);
      const records = ids.map((range) =>
        record(toBinary(EventFrameSchema, create(EventFrameSchema, { range, eventNo: 1n }))),
      );
      const [result] = await log.append([{ topic: `events-${bucket}`, records }]);
      assert.equal(result?.kind, 'appended');
    },
    start: (instance, options) =>
      startEventConsumer({
        name: 'test',
        buckets: 1,
        instance,
        coordination,
        log,
        store,
        logger,
        handle: async (tx, frames) => {
          for (const { range } of frames) await tx.run('INSERT INTO seen (id) VALUES (?)', [range]);
          return frames;
        },
        ...options,
      }),
    seen: async (count) => {
      let ids: string[] = [];
      await until(async () => {
        ids = (await store.query('SELECT id FROM seen ORDER BY no')).map((row) => String(row['id']));
        return ids.length >= count;
      });
      return ids;
    },
    [Symbol.asyncDispose]: async () => {
      await coordination[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await log[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

function record(value: Uint8Array): NewRecord {
  return { key: 'r-1', headers: { kind: 'events', id: 'f', version: 1 }, value };
}

/** Looks again and again; the test's own time limit ends it. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
