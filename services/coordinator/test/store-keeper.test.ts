/** What operators want of stores, done by a real coordinator on SQLite files. */
import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Coordination } from '@chappe/coordination/coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { parseRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { formatShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { formatStoreChange, parseStoreChange, storeChangePrefix, type StoreChange } from '@chappe/ranges/store-change';
import { parseStore, storePrefix, type StoreInfo } from '@chappe/ranges/store-info';
import type { OpenStore } from '@chappe/ranges/stores';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { StoreError } from '@chappe/store/store';
import { readMark, type StoreMark } from '@chappe/store/store-mark';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { startCoordinator } from '../src/coordinator.ts';

interface Bench extends AsyncDisposable {
  readonly coordination: Coordination;
  /** Addresses at which nobody answers now. */
  readonly away: Set<string>;
  copy(from: string, to: string): Promise<void>;
  markAt(address: string): Promise<StoreMark | undefined>;
  store(id: string): Promise<StoreInfo | undefined>;
  /** Resolves when the wish is fulfilled or refused, or says what it waits for. */
  wish(change: Pick<StoreChange, 'id' | 'kind' | 'address' | 'oldIsFenced'>): Promise<StoreChange>;
  until(isSo: () => Promise<boolean>): Promise<void>;
}

async function startBench(): Promise<Bench> {
  await using opened = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'chappe-stores-'));
  opened.defer(() => rm(folder, { recursive: true }));
  const coordination = opened.use(await openEmbeddedCoordination({}));
  const log = opened.use(await openSqliteLog({ path: join(folder, 'log.sqlite') }));
  const away = new Set<string>();
  const pathOf = (address: string): string => join(folder, `${address.slice('sqlite:'.length)}.sqlite`);
  const openStore: OpenStore = async ({ address }) => {
    if (away.has(address)) throw new StoreError('unavailable', `${address} does not answer`);
    return openSqliteStore({ path: pathOf(address) });
  };
  opened.use(
    startCoordinator({
      instance: 'c1',
      coordination,
      log,
      openStore,
      telemetry: openTelemetry({ service: 'test', level: 'fatal' }),
      initialBounds: ['5'],
      eventBuckets: 1,
      firstStore: { id: 'main', address: 'sqlite:main' },
    }),
  );
  const until = async (isSo: () => Promise<boolean>): Promise<void> => {
    while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const store = async (id: string): Promise<StoreInfo | undefined> => {
    const entry = await coordination.get(storePrefix + id);
    return entry === undefined ? undefined : parseStore(entry.value);
  };
  await until(async () => (await store('main')) !== undefined);
  const owned = opened.move();
  return {
    coordination,
    away,
    store,
    until,
    copy: (from, to) => copyFile(pathOf(from), pathOf(to)),
    markAt: async (address) => {
      await using file = await openSqliteStore({ path: pathOf(address) });
      return readMark(file);
    },
    wish: async (change) => {
      const key = storeChangePrefix + change.id;
      const wanted: StoreChange = { ...change, step: 'requested', sinceMs: Date.now() };
      await coordination.transact([], [{ kind: 'put', key, value: formatStoreChange(wanted) }]);
      let found = wanted;
      await until(async () => {
        found = parseStoreChange((await coordination.get(key))?.value ?? '');
        return found.step !== 'requested' || found.problem !== undefined;
      });
      return found;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function rangesOf({ coordination }: Bench): Promise<Range[]> {
  return (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value));
}

describe('the stores of a cluster', { timeout: 60_000 }, () => {
  test('the first one is written with the table, with the mark that its database has', async () => {
    await using bench = await startBench();
    const { identity, incarnation } = (await bench.store('main')) ?? {};
    assert.deepEqual({ identity, incarnation }, await bench.markAt('sqlite:main'));
    assert.deepEqual(new Set((await rangesOf(bench)).map(({ store }) => store)), new Set(['main']));
  });

  test('a further one is added once, and no database twice', async () => {
    await using bench = await startBench();
    assert.equal((await bench.wish({ id: 'b', kind: 'add', address: 'sqlite:b' })).step, 'done');
    assert.equal((await bench.store('b'))?.identity, (await bench.markAt('sqlite:b'))?.identity);
    assert.match((await bench.wish({ id: 'b', kind: 'add', address: 'sqlite:c' })).problem ?? '', /already, at/);
    assert.match(
      (await bench.wish({ id: 'd', kind: 'add', address: 'sqlite:main' })).problem ?? '',
      /database of store main/,
    );
    assert.equal(await bench.store('d'), undefined);
    assert.match((await bench.wish({ id: 'x', kind: 'restored' })).problem ?? '', /there is no store x/);
  });

  test('one that does not answer is asked until it does, and the wish says so', async () => {
    await using bench = await startBench();
    bench.away.add('sqlite:b');
    const waits = await bench.wish({ id: 'b', kind: 'add', address: 'sqlite:b' });
    assert.deepEqual([waits.step, waits.problem], ['requested', 'sqlite:b does not answer']);
    bench.away.clear();
    await bench.until(async () => (await bench.store('b')) !== undefined);
  });

  test('fails over to a copy, once the old server takes no writes any more, and to nothing else', async () => {
    await using bench = await startBench();
    await bench.copy('sqlite:main', 'sqlite:replica');
    const failover = { id: 'main', kind: 'failover', address: 'sqlite:replica' } as const;
    assert.match((await bench.wish(failover)).problem ?? '', /sqlite:main still takes writes/);
    assert.match(
      (await bench.wish({ ...failover, address: 'sqlite:main' })).problem ?? '',
      /there already|is at sqlite:main/,
    );
    bench.away.add('sqlite:main');
    assert.match((await bench.wish({ ...failover, address: 'sqlite:other' })).problem ?? '', /no copy of store main/);
    assert.equal((await bench.wish(failover)).step, 'done');
    const { address, incarnation } = (await bench.store('main')) ?? {};
    assert.deepEqual([address, incarnation], ['sqlite:replica', 1]);
    // Somebody knows that nobody writes there.
    await bench.copy('sqlite:replica', 'sqlite:third');
    const fenced = { ...failover, address: 'sqlite:third', oldIsFenced: true };
    assert.equal((await bench.wish(fenced)).step, 'done');
  });

  test('one that lost commits begins a new incarnation, above all, and its ranges with it, under the next epoch', async () => {
    await using bench = await startBench();
    const counts = { capacity: 1, ranges: 0, rate: 0, attachedDevices: 0, load: {} };
    const shard = formatShardInfo({ id: 's1', instance: 'i', address: 'unix:/s1', zone: 'a', ...counts });
    await bench.coordination.transact([], [{ kind: 'put', key: `${shardPrefix}s1`, value: shard }]);
    await bench.until(async () => (await rangesOf(bench)).every(({ epoch }) => epoch === 1));
    await bench.wish({ id: 'b', kind: 'add', address: 'sqlite:b' });
    const restored = await bench.wish({ id: 'b', kind: 'restored' });
    assert.equal(restored.step, 'done', restored.problem ?? '');
    assert.equal((await bench.store('b'))?.incarnation, 2);
    assert.ok(
      (await rangesOf(bench)).every(({ epoch }) => epoch === 1),
      'those of another store stay',
    );
    await bench.copy('sqlite:main', 'sqlite:backup');

    assert.equal((await bench.wish({ id: 'main', kind: 'restored' })).step, 'done');
    assert.equal((await bench.store('main'))?.incarnation, 3);
    assert.equal((await bench.markAt('sqlite:main'))?.incarnation, 3);
    await bench.until(async () => (await rangesOf(bench)).every(({ epoch }) => epoch === 2));
    assert.deepEqual(
      (await rangesOf(bench)).map(({ incarnation, owner, ownerInstance }) => [incarnation, owner, ownerInstance]),
      [
        [3, 's1', 'i'],
        [3, 's1', 'i'],
      ],
    );
    // A copy from before that is not taken for a replica; it is a restored one.
    bench.away.add('sqlite:main');
    const old = { id: 'main', address: 'sqlite:backup' } as const;
    assert.match((await bench.wish({ ...old, kind: 'failover' })).problem ?? '', /incarnation 1 and not at 3/);
    assert.equal((await bench.wish({ ...old, kind: 'restored' })).step, 'done');
    const { address, incarnation } = (await bench.store('main')) ?? {};
    assert.deepEqual([address, incarnation], ['sqlite:backup', 4]);
  });
});
