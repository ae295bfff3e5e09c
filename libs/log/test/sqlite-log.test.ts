/** The SQLite log: the conformance suite, and what is its own: clock, lock, kill -9 and a full disk. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { logConformance } from '../src/conformance.ts';
import type { LogHarness } from '../src/conformance-harness.ts';
import { append, idsOf, makeRecords, never, noLimits, readAll, rejectsAs } from '../src/conformance-harness.ts';
import { openSqliteLog } from '../src/sqlite-log.ts';
import { runWriter } from './run-writer.ts';

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'chappe-log-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

logConformance('SQLite', async (): Promise<LogHarness> => {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'log.sqlite');
  const log = await openSqliteLog({ path });
  let current = log;
  return {
    log,
    async reopen() {
      await current[Symbol.asyncDispose]();
      current = await openSqliteLog({ path });
      return current;
    },
    makeDead: async () => log[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await current[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
});

test('append times stand still while the clock goes back, also over a restart', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log.sqlite');
  let nowMs = 5_000.7;
  {
    await using log = await openSqliteLog({ path, now: () => nowMs });
    await log.createTopic('t');
    assert.equal((await append(log, 't', makeRecords(1))).appendTimeMs, 5_000);
    nowMs = 4_000;
    assert.equal((await append(log, 't', makeRecords(1))).appendTimeMs, 5_000);
  }
  await using log = await openSqliteLog({ path, now: () => nowMs });
  assert.equal((await append(log, 't', makeRecords(1))).appendTimeMs, 5_000);
  nowMs = 6_000;
  assert.equal((await append(log, 't', makeRecords(1))).appendTimeMs, 6_000);
});

test('a log that is open cannot be opened a second time', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log.sqlite');
  await using log = await openSqliteLog({ path });
  await log.createTopic('t');
  await rejectsAs('unavailable', openSqliteLog({ path }));
});

test('a log in a folder that is not there cannot be opened', async () => {
  await using folder = await temporaryFolder();
  await rejectsAs('unavailable', openSqliteLog({ path: join(folder.path, 'missing', 'log.sqlite') }));
});

test('a record that vanished from the middle is a gap, not silence', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log.sqlite');
  {
    await using log = await openSqliteLog({ path });
    await log.createTopic('t');
    await append(log, 't', makeRecords(5));
  }
  const database = new DatabaseSync(path);
  database.exec('DELETE FROM records_1 WHERE record_offset = 2 OR record_offset = 4');
  database.close();

  await using log = await openSqliteLog({ path });
  await using middle = await log.openReader('t', 0);
  await rejectsAs('gap', middle.read(noLimits, never));
  await using tail = await log.openReader('t', 4);
  await rejectsAs('gap', tail.read(noLimits, never));
});

test('NO-LOSS: every append that was acknowledged is there after kill -9', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log.sqlite');
  for (let round = 0; round < 3; round += 1) {
    const acknowledged = await runWriter({ path, killAfterAcknowledged: 200 });
    await using log = await openSqliteLog({ path });
    const ids = new Set(idsOf(await readAll(log, 't')));
    assert.ok(acknowledged.length >= 200);
    assert.deepEqual(
      acknowledged.filter((id) => !ids.has(id)),
      [],
    );
  }
});

test('NO-LOSS: a full disk fails appends as unavailable, and loses nothing that was acknowledged', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'log.sqlite');
  const acknowledged = await runWriter({ path, fileSizeMaxKibibytes: 512 });
  await using log = await openSqliteLog({ path });
  const ids = new Set(idsOf(await readAll(log, 't')));
  assert.ok(acknowledged.length > 0);
  assert.deepEqual(
    acknowledged.filter((id) => !ids.has(id)),
    [],
  );
  await append(log, 't', makeRecords(1));
});
