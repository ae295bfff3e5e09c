/** The SQLite store: the conformance suite, kill -9 and a full disk. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { storeConformance } from '../src/conformance.ts';
import type { StoreHarness } from '../src/conformance-harness.ts';
import { rejectsAs } from '../src/conformance-harness.ts';
import { openSqliteStore } from '../src/sqlite-store.ts';
import type { Store } from '../src/store.ts';
import { temporaryFolder } from './temporary-folder.ts';

storeConformance('SQLite', async (): Promise<StoreHarness> => {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'store.sqlite');
  const store = await openSqliteStore({ path });
  let current = store;
  return {
    store,
    async reopen() {
      await current[Symbol.asyncDispose]();
      current = await openSqliteStore({ path });
      return current;
    },
    makeDead: async () => store[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await current[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
});

test('a store that another process is writing to refuses, and can be tried again', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'store.sqlite');
  await using first = await openSqliteStore({ path });
  await using second = await openSqliteStore({ path });
  await first.transaction(async (tx) => {
    await tx.run('CREATE TABLE t (a INTEGER)');
    await rejectsAs(
      'refused',
      second.transaction((other) => other.run('CREATE TABLE u (a INTEGER)')),
    );
  });
  await second.transaction((tx) => tx.run('CREATE TABLE u (a INTEGER)'));
});

test('a store where no file can be, or where another file is, is unavailable', async () => {
  await using folder = await temporaryFolder();
  await rejectsAs('unavailable', openSqliteStore({ path: join(folder.path, 'missing', 'store.sqlite') }));
  await writeFile(join(folder.path, 'text'), 'this is no database, but long enough to be one'.repeat(100));
  await rejectsAs('unavailable', openSqliteStore({ path: join(folder.path, 'text') }));
});

test('NO-LOSS: every commit that was confirmed is there after kill -9, whole', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'store.sqlite');
  for (let round = 0; round < 3; round += 1) {
    const confirmed = await runWriter(path, { first: round * 1_000_000, killAfterCommits: 100 });
    assert.ok(confirmed.length >= 100);
    await using store = await openSqliteStore({ path });
    await assertAllThere(store, confirmed);
  }
});

test('NO-LOSS: a full disk fails transactions as unavailable, and loses nothing that was confirmed', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'store.sqlite');
  const confirmed = await runWriter(path, { first: 0, fileSizeMaxKibibytes: 512 });
  assert.ok(confirmed.length > 0);
  await using store = await openSqliteStore({ path });
  await assertAllThere(store, confirmed);
  await store.transaction((tx) => tx.run('DELETE FROM debits'));
});

async function assertAllThere(store: Store, confirmed: readonly number[]): Promise<void> {
  const debits = (await store.query('SELECT id FROM debits ORDER BY id')).map(({ id }) => Number(id));
  const credits = (await store.query('SELECT id FROM credits ORDER BY id')).map(({ id }) => Number(id));
  assert.deepEqual(debits, credits);
  const there = new Set(debits);
  assert.deepEqual(
    confirmed.filter((id) => !there.has(id)),
    [],
  );
}

interface WriterRun {
  readonly first: number;
  readonly killAfterCommits?: number;
  /** The largest file that it may write; beyond it, as on a full disk, writes fail. */
  readonly fileSizeMaxKibibytes?: number;
}

/** Runs `writer.ts` in a process of its own; the ids whose commit it saw confirmed. */
async function runWriter(
  path: string,
  { first, killAfterCommits, fileSizeMaxKibibytes }: WriterRun,
): Promise<number[]> {
  const limit = fileSizeMaxKibibytes === undefined ? '' : `ulimit -f ${fileSizeMaxKibibytes};`;
  const script = fileURLToPath(new URL('writer.ts', import.meta.url));
  const command = `${limit} exec "$0" "$@"`;
  const writer = spawn('bash', ['-c', command, process.execPath, script, path, String(first)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(writer, 'exit');
  const confirmed: number[] = [];
  for await (const id of createInterface({ input: writer.stdout })) {
    confirmed.push(Number(id));
    if (confirmed.length === killAfterCommits) writer.kill('SIGKILL');
  }
  const [code] = await exited;
  if (killAfterCommits === undefined) assert.equal(code, 0);
  return confirmed;
}
