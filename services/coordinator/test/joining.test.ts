/** SPEED: a shard that joins has its share within 30 s. The coordinator is real; shards say what the table gives them. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Coordination } from '@chappe/coordination/coordination';
import type { Log } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { journalPrefix, parseJournalLine } from '@chappe/ranges/journal';
import { parseRange, putRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { formatShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { startCoordinator } from '../src/coordinator.ts';
import { initialRanges } from '../src/initial-ranges.ts';
import { leaseTtlMs, movesShareMax } from '../src/limits.ts';

/** A range is with its next owner after so long, as measured in a cluster, and half as long again. */
const takeMs = 300;
const promisedMs = 30_000;

async function rangesOf(coordination: Coordination): Promise<Range[]> {
  return (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value));
}

/** Registers, and reports what it was given as soon as it would work on it. */
async function startShard(coordination: Coordination, id: string, zone: string): Promise<AsyncDisposable> {
  const lease = await coordination.grantLease(leaseTtlMs);
  const over = new AbortController();
  const report = async (): Promise<void> => {
    const own = (await rangesOf(coordination)).filter(({ owner }) => owner === id);
    const load = Object.fromEntries(own.map((range) => [range.id, { nextOffset: 0, rate: 0 }]));
    const counts = { capacity: 1_500, ranges: own.length, rate: 0, attachedDevices: 0, load };
    const value = formatShardInfo({ id, instance: id, address: `unix:/${id}`, zone, ...counts });
    await coordination.transact([], [{ kind: 'put', key: shardPrefix + id, value, lease }]);
  };
  await report();
  const running = (async () => {
    while (!over.signal.aborted) {
      await sleep(takeMs);
      await report();
    }
  })();
  return {
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await running;
      await lease[Symbol.asyncDispose]();
    },
  };
}

describe('a shard that joins', () => {
  let folder: string;
  let log: Log;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chappe-joining-'));
    log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  });
  after(async () => {
    await log[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  for (const count of [64, 1_000]) {
    test(`has its share of ${count} ranges within 30 s, a part of them at a time, each with a reason`, async (t) => {
      const coordination = await openEmbeddedCoordination({});
      await using resources = new AsyncDisposableStack();
      const bounds = Array.from({ length: count - 1 }, (_, index) => String(index + 1).padStart(4, '0'));
      for (const range of initialRanges(bounds, 'main')) await coordination.transact([], [putRange(range)]);
      await coordination.transact([], [{ kind: 'put', key: 'generation', value: '1' }]);
      for (const [id, zone] of [
        ['s1', 'a'],
        ['s2', 'a'],
        ['s3', 'b'],
      ] as const)
        resources.use(await startShard(coordination, id, zone));
      const telemetry = openTelemetry({ service: 'coordinator', level: 'silent' });
      const common = { instance: 'c', coordination, log, telemetry, eventBuckets: 1 };
      // The table is there: no store is opened.
      const firstStore = { id: 'main', address: 'sqlite:none' };
      const openStore = (): Promise<never> => Promise.reject(new Error('no store is to be opened'));
      resources.use(startCoordinator({ ...common, firstStore, openStore, initialBounds: [] }));
      while ((await rangesOf(coordination)).some(({ owner }) => owner === undefined)) await sleep(20);
      await sleep(2 * takeMs);

      const startedMs = performance.now();
      resources.use(await startShard(coordination, 's4', 'b'));
      const heldBy = async (id: string): Promise<number> =>
        (await rangesOf(coordination)).filter(({ owner }) => owner === id).length;
      // Every shard has one more or less than a fourth.
      while ((await heldBy('s4')) < Math.floor(count / 4)) {
        assert.ok(performance.now() - startedMs < promisedMs, `it has ${await heldBy('s4')} of ${count} after 30 s`);
        await sleep(50);
      }
      t.diagnostic(`${count} ranges: ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
      const lines = (await coordination.list(journalPrefix)).entries.map(({ value }) => parseJournalLine(value).text);
      const moves = lines.filter((text) => text.includes('for balance'));
      const movedAtOnce = moves.map((text) => [...text.matchAll(/\br\d+\b/gu)].length);
      assert.ok(moves.length > 1);
      assert.ok(Math.max(...movedAtOnce) <= count * movesShareMax, `${Math.max(...movedAtOnce)} moved at once`);
    });
  }
});
