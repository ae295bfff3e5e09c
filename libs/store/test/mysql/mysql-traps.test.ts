/** What MySQL and MariaDB do that a worker must not fall for: each test names its trap. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createConnection } from 'mysql2/promise';
import type { Connection } from 'mysql2/promise';
import { rejectsAs } from '../../src/conformance-harness.ts';
import type { MysqlStoreOptions } from '../../src/mysql-store.ts';
import { openMysqlStore } from '../../src/mysql-store.ts';
import type { Store } from '../../src/store.ts';
import { StoreError } from '../../src/store.ts';
import { ownDatabase, skipWithoutServer } from './own-database.ts';
import { Proxy } from './proxy.ts';

interface Bench extends AsyncDisposable {
  readonly options: MysqlStoreOptions;
  readonly store: Store;
  /** A connection with the server's own settings. */
  readonly raw: Connection;
}

/** A database with one fence row and two plain ones. */
async function setUp(): Promise<Bench> {
  const database = await ownDatabase();
  const { options } = database;
  const store = await openMysqlStore(options);
  await store.transaction(async (tx) => {
    await tx.run(`CREATE TABLE fences (id INT PRIMARY KEY, owner VARCHAR(40) NOT NULL, commit_no BIGINT NOT NULL,
      connection_id BIGINT NOT NULL)`);
    await tx.run("INSERT INTO fences VALUES (1, 'nobody', 0, 0)");
    await tx.run('CREATE TABLE t (a INT PRIMARY KEY, note VARCHAR(40))');
    await tx.run("INSERT INTO t VALUES (1, 'old'), (2, 'old')");
  });
  const { host, port, user, password } = options;
  const raw = await createConnection({ host, port, user, password, database: options.database });
  return {
    options,
    store,
    raw,
    async [Symbol.asyncDispose]() {
      raw.destroy();
      await store[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

async function notes(store: Store): Promise<string> {
  return (await store.query('SELECT note FROM t ORDER BY a')).map(({ note }) => String(note)).join();
}

async function commitNo(store: Store): Promise<number> {
  const [row] = await store.transaction((tx) => tx.queryForUpdate('SELECT commit_no FROM fences'));
  return Number(row?.['commit_no']);
}

describe('MySQL: traps', { skip: skipWithoutServer }, () => {
  test('stale reads: REPEATABLE READ misses what a rival has committed, and the store does not', async () => {
    await using bench = await setUp();
    const claim = (): Promise<number> => bench.store.transaction((tx) => tx.run("UPDATE fences SET owner = 'rival'"));
    await bench.raw.query('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ');
    await bench.raw.query('START TRANSACTION');
    await bench.raw.query('SELECT note FROM t');
    await bench.store.transaction(async (tx) => {
      await tx.query('SELECT note FROM t');
      await claim();
      assert.deepEqual(await tx.query('SELECT owner FROM fences'), [{ owner: 'rival' }]);
    });
    const [stale] = await bench.raw.query('SELECT owner FROM fences');
    assert.deepEqual(stale, [{ owner: 'nobody' }]);
  });

  test('half-rolled-back: a lock time-out undoes one statement only, so the store commits nothing', async () => {
    await using bench = await setUp();
    await bench.raw.query('SET innodb_lock_wait_timeout = 1');
    await using rival = await openMysqlStore(bench.options);
    await rival.transaction(async (holder) => {
      await holder.run("UPDATE t SET note = 'held' WHERE a = 2");
      const swallowing = bench.store.transaction(async (tx) => {
        await tx.run("UPDATE t SET note = 'half' WHERE a = 1");
        await tx.run("UPDATE t SET note = 'half' WHERE a = 2").catch(() => undefined);
      });
      await rejectsAs('refused', swallowing);
      assert.equal(await notes(bench.store), 'old,old');
      // What a client without this rule commits.
      await bench.raw.query('START TRANSACTION');
      await bench.raw.query("UPDATE t SET note = 'half' WHERE a = 1");
      await assert.rejects(bench.raw.query("UPDATE t SET note = 'half' WHERE a = 2"), /Lock wait timeout/);
      await bench.raw.query('COMMIT');
    });
    assert.equal(await notes(bench.store), 'half,held');
  });

  test('a deadlock is refused, and the same transaction tried again succeeds', async () => {
    await using bench = await setUp();
    const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const update = (note: string, order: readonly number[], mine: () => void, theirs: Promise<void>): Promise<void> =>
      bench.store.transaction(async (tx) => {
        await tx.run('UPDATE t SET note = ? WHERE a = ?', [note, order[0] ?? 0]);
        mine();
        await theirs;
        await tx.run('UPDATE t SET note = ? WHERE a = ?', [note, order[1] ?? 0]);
      });
    const settled = await Promise.allSettled([
      update('x', [1, 2], first.resolve, second.promise),
      update('y', [2, 1], second.resolve, first.promise),
    ]);
    const [lost] = settled.filter(({ status }) => status === 'rejected');
    assert.ok(lost?.status === 'rejected' && lost.reason instanceof StoreError);
    assert.equal(lost.reason.kind, 'refused');
    await update('z', [1, 2], () => undefined, Promise.resolve());
    assert.equal(await notes(bench.store), 'z,z');
  });

  for (const fate of ['answer_is_lost', 'is_lost'] as const) {
    test(`a COMMIT that ${fate.replaceAll('_', ' ')} is unknown, and the row under a lock tells`, async () => {
      await using bench = await setUp();
      await using proxy = await Proxy.start(bench.options);
      await using store = await openMysqlStore({ ...bench.options, host: '127.0.0.1', port: proxy.port });
      proxy.commitFate = fate;
      const committing = store.transaction((tx) => tx.run('UPDATE fences SET commit_no = commit_no + 1'));
      await rejectsAs('unknown', committing);
      proxy.commitFate = 'passes';
      assert.equal(await commitNo(store), fate === 'answer_is_lost' ? 1 : 0);
    });
  }

  test('a connection that is lost before COMMIT is unavailable, and nothing happened', async () => {
    await using bench = await setUp();
    await using proxy = await Proxy.start(bench.options);
    await using store = await openMysqlStore({ ...bench.options, host: '127.0.0.1', port: proxy.port });
    const failing = store.transaction(async (tx) => {
      await tx.run("UPDATE t SET note = 'x'");
      proxy.cut();
      await tx.run("UPDATE t SET note = 'y'");
    });
    await rejectsAs('unavailable', failing);
    assert.equal(await notes(store), 'old,old');
  });

  test('silence: a server that stands still is an error, and what it was doing is undone', async () => {
    await using bench = await setUp();
    await using proxy = await Proxy.start(bench.options);
    await using store = await openMysqlStore({ ...bench.options, host: '127.0.0.1', port: proxy.port });
    const [stuck, reading] = [Promise.withResolvers<void>(), store.query('SELECT note FROM t')];
    await reading;
    const writing = store.transaction(async (tx) => {
      await tx.run("UPDATE t SET note = 'x'");
      proxy.standStill();
      stuck.resolve();
      await tx.run("UPDATE t SET note = 'y'");
    });
    await stuck.promise;
    await Promise.all([rejectsAs('unavailable', writing), rejectsAs('unavailable', store.query('SELECT 1'))]);
    proxy.goOn();
    assert.equal(await notes(bench.store), 'old,old');
    await store.transaction((tx) => tx.run("UPDATE t SET note = 'z'"));
  });

  test('an owner that is frozen in its transaction is ended by whoever claims, and its commit counts for nothing', async () => {
    await using bench = await setUp();
    const script = fileURLToPath(new URL('frozen-owner.ts', import.meta.url));
    const owner = spawn(process.execPath, [script, JSON.stringify(bench.options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const exited = once(owner, 'exit');
    const lines = createInterface({ input: owner.stdout })[Symbol.asyncIterator]();
    assert.equal((await lines.next()).value, 'locked');
    owner.kill('SIGSTOP');
    const claim = (): Promise<number> => bench.store.transaction((tx) => tx.run("UPDATE fences SET owner = 'rival'"));
    const startedMs = performance.now();
    await rejectsAs('refused', claim());
    const holder = 'SELECT connection_id FROM fences WHERE id = 1';
    assert.equal(await bench.store.endHolder(holder), true);
    assert.equal(await claim(), 1);
    assert.ok(performance.now() - startedMs < 3_000);
    owner.kill('SIGCONT');
    owner.stdin.write('go\n');
    assert.equal((await lines.next()).value, 'unavailable');
    await exited;
    assert.deepEqual(await bench.store.query('SELECT owner FROM fences'), [{ owner: 'rival' }]);
    assert.equal(await bench.store.endHolder(holder), false);
  });

  test('an owner that is frozen in its transaction, and that nobody ends, keeps its locks for the session time-out only', async () => {
    await using bench = await setUp();
    const options = { ...bench.options, sessionTimeoutMs: 1_000 };
    await using frozen = await openMysqlStore(options);
    const failing = frozen.transaction(async (tx) => {
      await tx.run("UPDATE fences SET owner = 'frozen'");
      // Waits for the lock, which the server gives back meanwhile.
      assert.equal(await bench.store.transaction((rival) => rival.run("UPDATE fences SET owner = 'rival'")), 1);
    });
    await rejectsAs('unknown', failing);
    assert.deepEqual(await bench.store.query('SELECT owner FROM fences'), [{ owner: 'rival' }]);
  });

  test('an idle connection that the server has closed is replaced without an error', async () => {
    await using bench = await setUp();
    await using store = await openMysqlStore({ ...bench.options, transactionConnectionsMax: 1, readConnectionsMax: 1 });
    for (let round = 0; round < 3; round += 1) {
      const id = await store.transaction(async (tx) => tx.connectionId);
      const [reader] = await store.query('SELECT CONNECTION_ID() AS id');
      assert.equal(await bench.store.endHolder('SELECT ? AS id', [id]), true);
      assert.equal(await bench.store.endHolder('SELECT ? AS id', [Number(reader?.['id'])]), true);
      assert.notEqual(await store.transaction(async (tx) => tx.connectionId), id);
      assert.equal((await store.query('SELECT 1 AS one')).length, 1);
    }
  });

  test('more transactions than connections wait for their turn', async () => {
    await using bench = await setUp();
    await using store = await openMysqlStore({ ...bench.options, transactionConnectionsMax: 2 });
    const increment = (): Promise<number> =>
      store.transaction((tx) => tx.run('UPDATE fences SET commit_no = commit_no + 1'));
    await Promise.all(Array.from({ length: 200 }, increment));
    assert.equal(await commitNo(store), 200);
  });

  test('INSERT IGNORE hides nothing but repeats of the primary key', async () => {
    await using bench = await setUp();
    await bench.store.transaction((tx) =>
      tx.run('CREATE TABLE u (a INT PRIMARY KEY, b INT NOT NULL UNIQUE, c VARCHAR(3))'),
    );
    const table = { name: 'u', key: ['a'], columns: ['a', 'b', 'c'] };
    const insert = (...row: (string | number | null)[]): Promise<number> =>
      bench.store.transaction((tx) => tx.insert(table, [row], 'ignore'));
    assert.equal(await insert(1, 1, 'x'), 1);
    assert.equal(await insert(1, 2, 'y'), 0);
    await rejectsAs('invalid', insert(2, 1, 'z'));
    await rejectsAs('invalid', insert(3, 3, 'too long'));
    await rejectsAs('invalid', insert(4, null, 'z'));
    assert.deepEqual(await bench.store.query('SELECT a, b, c FROM u'), [{ a: 1, b: 1, c: 'x' }]);
  });

  test('SECRET: errors quote no values', async () => {
    await using bench = await setUp();
    const secret = '33612345678';
    const failures = [
      bench.store.transaction((tx) => tx.run('INSERT INTO t VALUES (1, ?)', [secret])),
      bench.store.transaction((tx) => tx.run('INSERT INTO t VALUES (3, ?)', [secret.repeat(10)])),
      bench.store.query('SELEKT ?', [secret]),
      bench.store.query('SELECT * FROM no_such_table WHERE a = ?', [secret]),
    ];
    for (const { status, reason } of await Promise.allSettled<unknown>(failures).then((all) => all.map(failureOf))) {
      assert.equal(status, 'rejected');
      assert.ok(reason instanceof StoreError);
      assert.ok(!reason.message.includes(secret), reason.message);
      assert.equal(reason.cause, undefined);
    }
  });

  test('a statement beyond a chunk is split, and all of it is one transaction', async () => {
    await using bench = await setUp();
    await bench.store.transaction((tx) => tx.run('CREATE TABLE blobs (a INT PRIMARY KEY, body MEDIUMBLOB NOT NULL)'));
    const table = { name: 'blobs', key: ['a'], columns: ['a', 'body'] };
    const rows = Array.from({ length: 40 }, (_, a) => [a, new Uint8Array(100_000).fill(a)]);
    assert.equal(await bench.store.transaction((tx) => tx.insert(table, rows, 'fail')), 40);
    await rejectsAs(
      'conflict',
      bench.store.transaction((tx) =>
        tx.insert(table, [...rows.map(([a, body]) => [Number(a) + 40, body ?? null]), [0, 'x']], 'fail'),
      ),
    );
    assert.deepEqual(await bench.store.query('SELECT COUNT(*) AS n, SUM(LENGTH(body)) AS bytes FROM blobs'), [
      { n: 40, bytes: 4_000_000 },
    ]);
  });
});

function failureOf(settled: PromiseSettledResult<unknown>): { readonly status: string; readonly reason: unknown } {
  return { status: settled.status, reason: settled.status === 'rejected' ? settled.reason : undefined };
}
