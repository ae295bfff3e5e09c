/** Blobs in a folder: the conformance suite, and what a killed node or a wrong folder leaves. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { BlobError } from '../src/blobs.ts';
import type { BlobsHarness } from '../src/conformance.ts';
import { blobsConformance } from '../src/conformance.ts';
import { openFolderBlobs } from '../src/folder-blobs.ts';

async function temporaryFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'chappe-blobs-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}

blobsConformance('folder', async (): Promise<BlobsHarness> => {
  const folder = await temporaryFolder();
  const path = join(folder.path, 'blobs');
  const blobs = await openFolderBlobs({ path });
  return {
    blobs,
    async reopen() {
      await blobs[Symbol.asyncDispose]();
      return openFolderBlobs({ path });
    },
    makeDead: async () => blobs[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

test('a half-written blob of a node that was killed is no blob, and is cleared away', async () => {
  await using folder = await temporaryFolder();
  await openFolderBlobs({ path: folder.path });
  await writeFile(join(folder.path, '~temporary', 'half'), 'x');
  const blobs = await openFolderBlobs({ path: folder.path });
  assert.deepEqual(await blobs.list('', { limit: 10 }), []);
  assert.deepEqual(await readdir(join(folder.path, '~temporary')), []);
});

test('a put that failed leaves nothing behind', async () => {
  await using folder = await temporaryFolder();
  const blobs = await openFolderBlobs({ path: folder.path });
  await writeFile(join(folder.path, 'a'), 'a file where a folder is needed');
  await assert.rejects(blobs.put('a/b', Buffer.from('x')), isUnavailable);
  assert.deepEqual(await readdir(join(folder.path, '~temporary')), []);
});

test('a file in the place of the folder is an error', async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'file'), '');
  await assert.rejects(openFolderBlobs({ path: join(folder.path, 'file') }), isUnavailable);
});

function isUnavailable(error: unknown): boolean {
  return error instanceof BlobError && error.kind === 'unavailable';
}
