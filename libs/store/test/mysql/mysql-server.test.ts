/** The MySQL store and its server as a whole: what is checked at start, TLS, kill -9 and a pause. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { rejectsAs } from '../../src/conformance-harness.ts';
import { rightProblems, serverProblems } from '../../src/mysql-check.ts';
import { mysqlServerOf, openMysqlStore } from '../../src/mysql-store.ts';
import type { MysqlStoreOptions } from '../../src/mysql-store.ts';
import type { Store } from '../../src/store.ts';
import { StoreError } from '../../src/store.ts';
import { skipWithoutServer } from './own-database.ts';
import { OwnMariadb } from './own-mariadb.ts';

const goodServer = {
  version: '8.0.36',
  text_order: 'utf8mb4_0900_bin',
  read_only: 0,
  has_binlog: 1,
  binlog_format: 'ROW',
  sync_binlog: 1,
  flush_log: 1,
  packet_bytes: 67_108_864,
};

test('a server that would lose commits, texts or versions is refused with what to change', () => {
  assert.deepEqual(serverProblems(goodServer), []);
  assert.deepEqual(
    serverProblems({ ...goodServer, version: '10.11.6-MariaDB-1', text_order: 'utf8mb4_nopad_bin' }),
    [],
  );
  const bad: Partial<Record<keyof typeof goodServer, [string | number, RegExp]>> = {
    version: ['5.7.44', /it is 5\.7\.44: MySQL 8\.0 or MariaDB 10\.6/],
    text_order: ['utf8mb4_general_ci', /ALTER DATABASE with COLLATE/],
    read_only: [1, /read-only/],
    flush_log: [2, /innodb_flush_log_at_trx_commit to 1/],
    sync_binlog: [0, /sync_binlog to 1/],
    binlog_format: ['STATEMENT', /binlog_format to ROW/],
    packet_bytes: [1_048_576, /max_allowed_packet/],
  };
  for (const [name, [value, expected]] of Object.entries(bad)) {
    const problems = serverProblems({ ...goodServer, [name]: value });
    assert.equal(problems.length, 1, name);
    assert.match(problems[0] ?? '', expected);
  }
});

test('missing rights are named, whatever form the grants have', () => {
  const rest = 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX';
  assert.deepEqual(rightProblems([`GRANT ${rest}, DROP ON \`chappe\`.* TO 'c'@'%'`], 'chappe'), []);
  assert.deepEqual(rightProblems(["GRANT ALL PRIVILEGES ON `chappe%`.* TO 'c'@'%'"], 'chappe_a'), []);
  assert.deepEqual(rightProblems(['GRANT USAGE ON *.* TO `c`@`%`', 'GRANT `role`@`%` TO `c`@`%`'], 'chappe'), []);
  assert.deepEqual(rightProblems([`GRANT ${rest} ON \`chappe\\_a\`.* TO 'c'@'%'`], 'chappe_a'), [
    'its user lacks rights: GRANT DROP ON `chappe_a`.*',
  ]);
  assert.match(rightProblems([`GRANT ${rest}, DROP ON \`other\`.* TO 'c'@'%'`], 'chappe')[0] ?? '', /lacks rights/);
});

test('an address is read, and a wrong one is refused without its password', () => {
  assert.deepEqual(mysqlServerOf('mysql://a:p%40ss@db.example:3307/chappe'), {
    host: 'db.example',
    port: 3307,
    database: 'chappe',
    user: 'a',
    password: 'p@ss',
  });
  for (const url of ['mysql://a:secret@host', 'postgres://a:secret@host/x', 'secret', 'mysql://a:secret@host/x;y']) {
    assert.throws(
      () => mysqlServerOf(url),
      (error) => error instanceof StoreError && !error.message.includes('secret'),
    );
  }
});

async function untilAvailable(store: Store): Promise<void> {
  for (;;) {
    try {
      await store.query('SELECT 1');
      return;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      await pause(20);
    }
  }
}

describe('MySQL: a server of its own', { skip: skipWithoutServer }, () => {
  test('wrong names, rights and certificates are refused with the reason', async () => {
    await using mariadb = await OwnMariadb.start();
    const { options } = mariadb;
    const refused = async (change: Partial<MysqlStoreOptions>, expected: RegExp): Promise<void> => {
      const opening = openMysqlStore({ ...options, ...change });
      await rejectsAs('unavailable', opening);
      await assert.rejects(opening, expected);
    };
    await refused({ password: 'wrong' }, /ER_ACCESS_DENIED_ERROR .*password is wrong/);
    await refused({ database: 'other' }, /ER_DBACCESS_DENIED_ERROR .*lacks a right/);
    await refused({ port: 1 }, /ECONNREFUSED/);
    await refused({ tls: undefined }, /ER_ACCESS_DENIED_ERROR/);
    await rejectsAs('invalid', openMysqlStore({ ...options, host: '127.0.0.1' }));
    await mariadb.administer("REVOKE DROP, INDEX ON chappe.* FROM 'chappe'@'127.0.0.1'");
    await refused({}, /lacks rights: GRANT INDEX, DROP ON `chappe`/);
    await mariadb.administer("GRANT DROP, INDEX ON chappe.* TO 'chappe'@'127.0.0.1'; SET GLOBAL read_only = 1");
    await refused({}, /read-only: name the primary/);
  });

  test('over TLS: the session is encrypted and another authority is not trusted', async () => {
    await using mariadb = await OwnMariadb.start();
    await using other = await OwnMariadb.start();
    await using store = await openMysqlStore(mariadb.options);
    const [row] = await store.query("SHOW SESSION STATUS LIKE 'Ssl_version'");
    assert.match(String(row?.['Value']), /^TLSv1\.[23]$/);
    const opening = openMysqlStore({ ...mariadb.options, tls: other.options.tls });
    await rejectsAs('unavailable', opening);
    await assert.rejects(opening, /HANDSHAKE_SSL_ERROR: .*(certificate|signature)/);
  });

  test('NO-LOSS: what was committed before kill -9 is there, and the store works on when the server is back', async () => {
    await using mariadb = await OwnMariadb.start();
    await using store = await openMysqlStore(mariadb.options);
    await store.transaction((tx) => tx.run('CREATE TABLE t (a BIGINT PRIMARY KEY)'));
    const confirmed: number[] = [];
    const write = async (worker: number): Promise<void> => {
      for (let no = worker; ; no += 4) {
        await store.transaction((tx) => tx.run('INSERT INTO t VALUES (?)', [no]));
        confirmed.push(no);
        if (confirmed.length === 200) await mariadb.kill();
      }
    };
    const outcomes = await Promise.allSettled([0, 1, 2, 3].map(write));
    for (const outcome of outcomes) {
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof StoreError);
      assert.match(outcome.reason.kind, /^(unavailable|unknown)$/);
    }
    await rejectsAs('unavailable', store.query('SELECT 1'));
    await mariadb.start();
    await untilAvailable(store);
    const there = new Set((await store.query('SELECT a FROM t')).map(({ a }) => a));
    assert.deepEqual(
      confirmed.filter((no) => !there.has(no)),
      [],
    );
    await store.transaction((tx) => tx.run('DELETE FROM t'));
  });

  test('a server that is paused in a COMMIT leaves it unknown, and nothing hangs', async () => {
    await using mariadb = await OwnMariadb.start();
    await using store = await openMysqlStore(mariadb.options);
    await store.transaction((tx) => tx.run('CREATE TABLE t (a BIGINT PRIMARY KEY)'));
    let reading: Promise<void> | undefined;
    const committing = store.transaction(async (tx) => {
      await tx.run('INSERT INTO t VALUES (1)');
      await mariadb.pause();
      reading = rejectsAs('unavailable', store.query('SELECT a FROM t'));
    });
    await rejectsAs('unknown', committing);
    await reading;
    mariadb.goOn();
    await untilAvailable(store);
    // Waits until the first one is decided.
    const rows = await store.transaction((tx) => tx.queryForUpdate('SELECT a FROM t WHERE a = 1'));
    assert.ok(rows.length <= 1);
  });
});
