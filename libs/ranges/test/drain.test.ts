import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { changeDrain, drainPrefix, drainersOf, parseDrain } from '../src/drain.ts';

test('a shard is drained as long as anybody wants it, and nobody takes back what another one wants', async () => {
  await using coordination = await openEmbeddedCoordination({});
  const keys = async (): Promise<number> => (await coordination.list(drainPrefix)).entries.length;
  await changeDrain(coordination, 's1', 'operator', 1);
  await changeDrain(coordination, 's1', 'node', 2);
  assert.deepEqual(drainersOf(await changeDrain(coordination, 's1', 'node', 9)), ['operator', 'node']);
  assert.deepEqual(parseDrain((await coordination.get(`${drainPrefix}s1`))?.value ?? ''), { operator: 1, node: 2 });
  assert.deepEqual(drainersOf(await changeDrain(coordination, 's1', 'operator', undefined)), ['node']);
  assert.equal(await keys(), 1);
  assert.deepEqual(await changeDrain(coordination, 's1', 'node', undefined), {});
  assert.equal(await keys(), 0);
  assert.deepEqual(await changeDrain(coordination, 's1', 'node', undefined), {});
});

test('two that change one drain at once both have their way', async () => {
  await using coordination = await openEmbeddedCoordination({});
  await Promise.all([changeDrain(coordination, 's1', 'operator', 1), changeDrain(coordination, 's1', 'scaling', 1)]);
  assert.deepEqual(parseDrain((await coordination.get(`${drainPrefix}s1`))?.value ?? ''), { operator: 1, scaling: 1 });
});

test('what is no drain is refused, saying what is wrong with it', () => {
  assert.throws(() => parseDrain('3'), /not an object/);
  assert.throws(() => parseDrain('{"cat":1}'), /wanted by cat/);
  assert.throws(() => parseDrain('{"node":"1"}'), /by node has no time/);
});
