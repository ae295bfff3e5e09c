/** Embedded coordination: the conformance suite on disk and in memory, and its crash. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { coordinationConformance } from '../src/conformance.ts';
import type { CoordinationHarness } from '../src/conformance-harness.ts';
import { put, rejectsAs, valueOf } from '../src/conformance-harness.ts';
import { openEmbeddedCoordination } from '../src/embedded-coordination.ts';
import { revisionBlock } from '../src/limits.ts';

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'chappe-coordination-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

coordinationConformance('embedded', async (): Promise<CoordinationHarness> => {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'coordination.sqlite');
  const coordination = await openEmbeddedCoordination({ path });
  let current = coordination;
  return {
    coordination,
    async reopen() {
      await current[Symbol.asyncDispose]();
      current = await openEmbeddedCoordination({ path });
      return current;
    },
    loseLease: async (lease) => coordination.expireLease(lease),
    makeDead: async () => coordination[Symbol.asyncDispose](),
    async [Symbol.asyncDispose]() {
      await current[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
});

test('without a path the map is in memory, and each is its own', async () => {
  await using first = await openEmbeddedCoordination({});
  await using second = await openEmbeddedCoordination({ path: undefined });
  await put(first, 'a', '1');
  assert.equal(await valueOf(first, 'a'), '1');
  assert.equal(await valueOf(second, 'a'), undefined);
});

test('a map that is open cannot be opened a second time', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'coordination.sqlite');
  await using first = await openEmbeddedCoordination({ path });
  await put(first, 'a', '1');
  await rejectsAs('unavailable', openEmbeddedCoordination({ path }));
});

test('closing the map is a loss to those who hold leases', async () => {
  const coordination = await openEmbeddedCoordination({});
  const lease = await coordination.grantLease(1_000);
  await coordination[Symbol.asyncDispose]();
  assert.equal(lease.lost.aborted, true);
  await lease[Symbol.asyncDispose]();
});

test('a lease is confirmed by the clock while it lives, and not after', async () => {
  let nowMs = 1;
  await using coordination = await openEmbeddedCoordination({ now: () => nowMs });
  const lease = await coordination.grantLease(1_000);
  nowMs = 2;
  assert.equal(lease.confirmedAtMs(), 2);
  coordination.expireLease(lease);
  nowMs = 3;
  assert.equal(lease.confirmedAtMs(), 2);
});

test('after kill -9 confirmed keys are there, leased ones are not, and no revision repeats', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'coordination.sqlite');
  let highest = 0;
  for (let round = 0; round < 2; round += 1) {
    const confirmed = await runWriter(path, revisionBlock + 100);
    await using coordination = await openEmbeddedCoordination({ path });
    const { key, revision } = confirmed.at(-1) ?? { key: '', revision: 0 };
    assert.ok((confirmed[0]?.revision ?? 0) > highest);
    assert.ok((await coordination.get(key))?.createRevision === revision);
    assert.deepEqual((await coordination.list('leased/')).entries, []);
    highest = await put(coordination, 'after', '1');
    assert.ok(highest > revision);
  }
});

/** Runs `writer.ts` until it has confirmed so many keys, and kills it; what it confirmed. */
async function runWriter(path: string, count: number): Promise<{ key: string; revision: number }[]> {
  const script = fileURLToPath(new URL('writer.ts', import.meta.url));
  const writer = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(writer, 'exit');
  const confirmed: { key: string; revision: number }[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    const [key = '', revision = ''] = line.split(' ');
    confirmed.push({ key, revision: Number(revision) });
    if (confirmed.length === count) writer.kill('SIGKILL');
  }
  await exited;
  return confirmed;
}
