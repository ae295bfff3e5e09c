import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { CoordinationError, type Lease } from '@chappe/coordination/coordination';
import { openEmbeddedCoordination, type EmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Log } from '@chappe/log/log';
import { LogError } from '@chappe/log/log-error';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { leaderKey } from '@chappe/ranges/leader';
import { parseRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { formatRefusedClaim, refusedClaimPrefix } from '@chappe/ranges/refused-claim';
import { formatReshape, parseReshape, reshapePrefix, type Reshape } from '@chappe/ranges/reshape';
import { formatShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { borrowed } from '@chappe/store/borrowed-store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { startCoordinator, type Coordinator } from '../src/coordinator.ts';
import { tryToLead } from '../src/leadership.ts';
import { leaseTtlMs, lookGapMsMax } from '../src/limits.ts';

const telemetry = () => openTelemetry({ service: 'coordinator', level: 'silent' });

describe('the coordinator', () => {
  let folder: string;
  let log: Log;
  let store: Store;
  let coordination: EmbeddedCoordination;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chappe-coordinator-'));
    log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
    store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  });
  after(async () => {
    await log[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  beforeEach(async () => {
    coordination = await openEmbeddedCoordination({});
  });

  const start = (instance: string, options: { ms?: () => number; leases?: Lease[]; log?: Log } = {}): Coordinator => {
    const { leases, ms } = options;
    const recorded = leases === undefined ? coordination : recordingLeases(coordination, leases);
    return startCoordinator({
      instance,
      coordination: recorded,
      log: options.log ?? log,
      telemetry: telemetry(),
      initialBounds: ['3', '5'],
      eventBuckets: 1,
      firstStore: { id: 'main', address: 'sqlite:store' },
      openStore: async () => borrowed(store),
      ...(ms === undefined ? {} : { monotonicMs: ms }),
    });
  };

  const ranges = async (): Promise<Range[]> =>
    (await coordination.list(rangePrefix)).entries.map(({ value }) => parseRange(value));

  const register = async (id: string, instance: string): Promise<Lease> => {
    const lease = await coordination.grantLease(leaseTtlMs);
    const counts = { capacity: 1, ranges: 0, rate: 0, attachedDevices: 0, load: {} };
    const value = formatShardInfo({ id, instance, address: `unix:/${id}`, zone: 'a', ...counts });
    await coordination.transact([], [{ kind: 'put', key: shardPrefix + id, value, lease }]);
    return lease;
  };

  /** Resolves when the table is as it should be; the coordinator is woken by what is written. */
  const until = async (isSo: (table: readonly Range[]) => boolean): Promise<Range[]> => {
    let table: Range[] = [];
    await untilSo(coordination, async () => {
      table = await ranges();
      return table.length > 0 && isSo(table);
    });
    return table;
  };
  const areOwnedBy = (id: string, instance: string) => (table: readonly Range[]) =>
    table.every((range) => range.owner === id && range.ownerInstance === instance);

  test('a leader that could not make the topics of a new cluster makes them as soon as it can', async () => {
    let isAway = true;
    const createTopic: Log['createTopic'] = async (topic) => {
      if (!isAway) return log.createTopic(topic);
      isAway = false;
      throw new LogError('unavailable', 'the log is away');
    };
    await using _ = start('c1', { log: instead(log, { createTopic }) });
    await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
  });

  test('makes the table of a new cluster once, and gives every range to a shard', async () => {
    await using first = start('c1');
    await register('s1', 'i1');
    const table = await until(areOwnedBy('s1', 'i1'));
    assert.deepEqual(
      table.map(({ id, start: from, end, epoch }) => [id, from, end, epoch]),
      [
        ['r1', '', '3', 1],
        ['r2', '3', '5', 1],
        ['r3', '5', ':', 1],
      ],
    );
    assert.deepEqual(first.notReady(), {});
    await first[Symbol.asyncDispose]();
    await using stack = new AsyncDisposableStack();
    stack.use(start('c2'));
    await register('s1', 'i2');
    const again = await until(areOwnedBy('s1', 'i2'));
    assert.deepEqual(
      again.map(({ id, epoch }) => [id, epoch]),
      table.map(({ id, epoch }) => [id, epoch + 1]),
      'a restarted shard gets its ranges back under the next epoch',
    );
  });

  test('leads alone; the other one goes on when it ends', async () => {
    const one = start('c1');
    await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
    await using stack = new AsyncDisposableStack();
    stack.use(start('c2'));
    assert.equal(JSON.parse((await coordination.get(leaderKey))?.value ?? '{}').instance, 'c1');
    await one[Symbol.asyncDispose]();
    await register('s1', 'i2');
    await until(areOwnedBy('s1', 'i2'));
    assert.equal(JSON.parse((await coordination.get(leaderKey))?.value ?? '{}').instance, 'c2');
  });

  test('of two who would lead only one does', async () => {
    const both = await Promise.all([tryToLead(coordination, 'c1'), tryToLead(coordination, 'c2')]);
    assert.equal(both.filter((leadership) => leadership !== undefined).length, 1);
  });

  test('FENCE: what a former leader writes after its lease is lost counts for nothing', async () => {
    const leases: Lease[] = [];
    const former = await tryToLead(recordingLeases(coordination, leases), 'c1');
    assert.ok(former !== undefined && leases[0] !== undefined);
    const write = { kind: 'put', key: 'ranges/x', value: '{}' } as const;
    assert.equal((await coordination.transact([former.compare], [write])).succeeded, true);
    coordination.expireLease(leases[0]);
    assert.ok(former.lost.aborted);
    assert.equal((await coordination.transact([former.compare], [write])).succeeded, false);
    const next = await tryToLead(coordination, 'c2');
    assert.ok(next !== undefined);
    assert.equal((await coordination.transact([former.compare], [write])).succeeded, false);
    // Even under its own name again, it is another leadership.
    await next[Symbol.asyncDispose]();
    assert.ok((await tryToLead(coordination, 'c1')) !== undefined);
    assert.equal((await coordination.transact([former.compare], [write])).succeeded, false);
  });

  test('an election whose answer was lost is given up, so that somebody leads', async () => {
    let isAnswerLost = true;
    const losing = wrapping(coordination, 'transact', (transact) => async (...parameters) => {
      const answer = await transact(...parameters);
      if (isAnswerLost) throw new CoordinationError('unavailable', 'the answer was lost');
      return answer;
    });
    await assert.rejects(tryToLead(losing, 'c1'));
    assert.equal(await coordination.get(leaderKey), undefined);
    isAnswerLost = false;
    assert.ok((await tryToLead(losing, 'c1')) !== undefined);
  });

  test('leads again after its lease was lost', async () => {
    const leases: Lease[] = [];
    await using stack = new AsyncDisposableStack();
    stack.use(start('c1', { leases }));
    await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
    assert.ok(leases[0] !== undefined);
    coordination.expireLease(leases[0]);
    await register('s1', 'i2');
    await until(areOwnedBy('s1', 'i2'));
    assert.ok(leases.length >= 2);
  });

  test('takes the ranges of a silent shard away only after a whole TTL, and gives them to the others', async () => {
    let nowMs = 0;
    await using coordinator = start('c1', { ms: () => nowMs });
    const lease = await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
    await lease[Symbol.asyncDispose]();
    await register('s2', 'i2');
    await look(coordination);
    for (const stepMs of [lookGapMsMax, leaseTtlMs - lookGapMsMax - 1]) {
      nowMs += stepMs;
      await look(coordination);
      assert.ok(areOwnedBy('s1', 'i1')(await ranges()), 'it may be back');
    }
    nowMs += 1;
    await look(coordination);
    const table = await until(areOwnedBy('s2', 'i2'));
    assert.ok(table.every(({ epoch }) => epoch === 2));
    assert.deepEqual(coordinator.notReady(), {});
  });

  test('counts the silence anew when it did not look for longer than two looks take', async () => {
    let nowMs = 0;
    await using stack = new AsyncDisposableStack();
    stack.use(start('c1', { ms: () => nowMs }));
    const lease = await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
    await lease[Symbol.asyncDispose]();
    await register('s2', 'i2');
    await look(coordination);
    for (const stepMs of [lookGapMsMax + 1, lookGapMsMax, lookGapMsMax + 1, leaseTtlMs - lookGapMsMax]) {
      nowMs += stepMs;
      await look(coordination);
      assert.ok(areOwnedBy('s1', 'i1')(await ranges()), 'its own pause proves nothing');
    }
    nowMs += lookGapMsMax;
    await look(coordination);
    await until(areOwnedBy('s2', 'i2'));
  });

  test('goes on from the epoch of a refused claim: coordination may be older than the store (2.1)', async () => {
    await using stack = new AsyncDisposableStack();
    stack.use(start('c1'));
    await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
    const refused = formatRefusedClaim({ claimedEpoch: 1, rowEpoch: 41 });
    await coordination.transact([], [{ kind: 'put', key: `${refusedClaimPrefix}r2`, value: refused }]);
    const table = await until((now) => now.some(({ epoch }) => epoch === 42));
    assert.deepEqual(
      table.map(({ owner, epoch }) => [owner, epoch]),
      [
        ['s1', 1],
        ['s1', 42],
        ['s1', 1],
      ],
    );
    assert.equal(await coordination.get(`${refusedClaimPrefix}r2`), undefined);
  });

  test('a refused claim that the table has overtaken moves nothing', async () => {
    await using stack = new AsyncDisposableStack();
    stack.use(start('c1'));
    await register('s1', 'i1');
    await until(areOwnedBy('s1', 'i1'));
    const late = formatRefusedClaim({ claimedEpoch: 0, rowEpoch: 1 });
    await coordination.transact([], [{ kind: 'put', key: `${refusedClaimPrefix}r2`, value: late }]);
    await untilSo(coordination, async () => (await coordination.get(`${refusedClaimPrefix}r2`)) === undefined);
    assert.ok((await ranges()).every(({ epoch }) => epoch === 1));
  });

  test('a reshape says what the log does not do for it, and says so no more once that is done', async () => {
    const answers = (name: 'createTopic' | 'seal' | 'sealedEnd') => {
      let isAway = true;
      return async (argument: never): Promise<never> => {
        if (!isAway) return log[name](argument) as Promise<never>;
        isAway = false;
        throw new LogError('unavailable', `${name} is away`);
      };
    };
    const reshape = async (): Promise<Reshape | undefined> => {
      const [entry] = (await coordination.list(reshapePrefix)).entries;
      return entry === undefined ? undefined : parseReshape(entry.value);
    };
    const seen: string[] = [];
    const see = async (): Promise<boolean> => {
      const { step, problem, ends } = (await reshape()) ?? { step: 'requested', ends: {} };
      const text = `${step}: ${problem ?? '-'}`;
      if (problem !== undefined && seen.at(-1) !== text) seen.push(text);
      if (Object.keys(ends).length > 0) assert.equal(problem, undefined);
      return Object.keys(ends).length > 0;
    };
    {
      await using _ = start('c1');
      await register('s1', 'i1');
      await until(areOwnedBy('s1', 'i1'));
    }
    const functions = { createTopic: answers('createTopic'), seal: answers('seal'), sealedEnd: answers('sealedEnd') };
    await using _ = start('c2', { log: instead(log, functions) });
    const [range] = await ranges();
    const wanted = {
      step: 'requested',
      old: [range?.id ?? ''],
      made: [],
      ends: {},
      reason: 'a test',
      sinceMs: 0,
    } as const;
    const value = formatReshape({ id: 'one', cuts: ['21'], ...wanted });
    await coordination.transact([], [{ kind: 'put', key: `${reshapePrefix}one`, value }]);
    await untilSo(coordination, see);
    assert.deepEqual(seen, [
      'requested: its new topics are not made yet: createTopic is away',
      'sealing: its topics are not sealed yet: seal is away',
      'open: where its topics end is not known yet: sealedEnd is away',
    ]);
  });
});

/** The same log with functions of the test's instead of its own. */
function instead(log: Log, functions: Partial<Log>): Log {
  return new Proxy(log, {
    get: (target, name) => {
      const value: unknown = Reflect.get(functions, name) ?? Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** The same coordination; the leases that are granted through it can be taken away by the test. */
function recordingLeases(coordination: EmbeddedCoordination, leases: Lease[]): EmbeddedCoordination {
  return wrapping(coordination, 'grantLease', (grantLease) => async (ttlMs) => {
    const lease = await grantLease(ttlMs);
    leases.push(lease);
    return lease;
  });
}

/** The same coordination with one of its functions wrapped. */
function wrapping<Name extends 'grantLease' | 'transact'>(
  coordination: EmbeddedCoordination,
  name: Name,
  wrap: (original: EmbeddedCoordination[Name]) => EmbeddedCoordination[Name],
): EmbeddedCoordination {
  return new Proxy(coordination, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property, target);
      if (property === name) return wrap(target[name].bind(target) as EmbeddedCoordination[Name]);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** Wakes the coordinator and waits until it has looked: it deletes a note that the table has overtaken. */
async function look(coordination: EmbeddedCoordination): Promise<void> {
  const key = `${refusedClaimPrefix}no-range`;
  const value = formatRefusedClaim({ claimedEpoch: 0, rowEpoch: 0 });
  await coordination.transact([], [{ kind: 'put', key, value }]);
  await untilSo(coordination, async () => (await coordination.get(key)) === undefined);
  // What it writes after that, it writes in the same look.
  for (let turns = 0; turns < 20; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Looks again after each change. */
async function untilSo(coordination: EmbeddedCoordination, isSo: () => Promise<boolean>): Promise<void> {
  let changed = Promise.withResolvers<void>();
  const watch = coordination.watch('', () => changed.resolve());
  while (!(await isSo())) {
    await changed.promise;
    changed = Promise.withResolvers<void>();
  }
  watch[Symbol.dispose]();
}
