import assert from 'node:assert/strict';
import test from 'node:test';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { rangeProblem, shardProblem } from '../src/cluster-problems.ts';

const shard: ShardInfo = {
  id: 's1',
  instance: 'now',
  address: '127.0.0.1:1',
  zone: 'a',
  capacity: 1_000,
  ranges: 1,
  rate: 0,
  attachedDevices: 0,
  load: { r1: { nextOffset: 5, rate: 1 }, r2: { rate: 0, problem: 'stopped: the log lost its tail' } },
};
const shards = new Map([[shard.id, shard]]);

function range(more: Partial<Range>): Range {
  const bounds = { start: '', end: ':', topic: 'range-r1', store: 'main', epoch: 1 };
  return { id: 'r1', state: 'active', owner: 's1', ownerInstance: 'now', ...bounds, ...more };
}

test('a range that its owner works on has no problem', () => {
  assert.equal(rangeProblem(range({}), shards), undefined);
});

test('a range says why nobody gets on with it', () => {
  const cases: readonly [Partial<Range>, string][] = [
    [{ owner: undefined, ownerInstance: undefined }, 'no shard has it'],
    [{ owner: 's2' }, 'its shard is silent'],
    [{ ownerInstance: 'before' }, 'its shard has started anew and waits for it'],
    [{ id: 'r3' }, 'its shard is taking it'],
    [{ id: 'r2' }, 'stopped: the log lost its tail'],
  ];
  for (const [more, problem] of cases) assert.equal(rangeProblem(range(more), shards), problem);
});

test('a shard says that it is silent, and how many of its ranges do not get on', () => {
  assert.equal(shardProblem('s1', [range({})], shards), undefined);
  assert.equal(shardProblem('s1', [range({}), range({ id: 'r2' })], shards), '1 of its ranges do not get on');
  assert.equal(shardProblem('s2', [], shards), 'silent');
});
