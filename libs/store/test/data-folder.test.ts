/** The data folder: who may have it, and what is said to who may not. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { rejectsAs } from '../src/conformance-harness.ts';
import { openDataFolder } from '../src/data-folder.ts';
import { temporaryFolder } from './temporary-folder.ts';

test('a data folder is made for its owner only, and can be opened again once closed', async () => {
  await using parent = await temporaryFolder();
  const path = join(parent.path, 'a', 'data');
  {
    await using folder = await openDataFolder(path);
    assert.equal(folder.path, path);
    assert.equal((await stat(path)).mode & 0o777, 0o700);
  }
  await using again = await openDataFolder(path);
  assert.equal(again.path, path);
});

test('a data folder has one node, and the second is told which', async () => {
  await using parent = await temporaryFolder();
  await using folder = await openDataFolder(parent.path);
  await rejectsAs('refused', openDataFolder(folder.path));
  await assert.rejects(openDataFolder(folder.path), new RegExp(`process ${process.pid}\\): stop it first`));
});

test('a node in another process holds its data folder until it is killed with -9', async () => {
  await using parent = await temporaryFolder();
  const script = fileURLToPath(new URL('lock-holder.ts', import.meta.url));
  const holder = spawn(process.execPath, [script, parent.path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(holder, 'exit');
  await once(holder.stdout, 'data');
  await assert.rejects(openDataFolder(parent.path), new RegExp(`process ${holder.pid}\\)`));
  holder.kill('SIGKILL');
  await exited;
  await using folder = await openDataFolder(parent.path);
  assert.equal(folder.path, parent.path);
});

test('a file in the place of the data folder is named as the problem', async () => {
  await using parent = await temporaryFolder();
  const path = join(parent.path, 'file');
  await writeFile(path, '');
  await rejectsAs('unavailable', openDataFolder(path));
  await assert.rejects(openDataFolder(path), /is a file: choose another path/);
  await assert.rejects(openDataFolder(join(path, 'below')), /is a file: choose another path/);
});

test('a data folder that cannot be written is named as the problem', { skip: process.getuid?.() === 0 }, async () => {
  await using parent = await temporaryFolder();
  await chmod(parent.path, 0o500);
  await rejectsAs('unavailable', openDataFolder(join(parent.path, 'data')));
  await assert.rejects(openDataFolder(parent.path), /cannot be written by this user/);
  await chmod(parent.path, 0o700);
});
