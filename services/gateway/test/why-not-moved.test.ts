import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { whyNotMoved } from '../src/why-not-moved.ts';

function shardOf(id: string, zone: string, rate: number, more: Partial<ShardInfo> = {}): ShardInfo {
  return {
    id,
    instance: id,
    address: '',
    zone,
    capacity: 1_000,
    ranges: 1,
    rate,
    attachedDevices: 0,
    load: {},
    ...more,
  };
}

const range: Range = {
  id: 'r1',
  start: '',
  end: ':',
  state: 'active',
  owner: 'a1',
  ownerInstance: 'a1',
  epoch: 1,
  topic: 'range-r1',
  store: 'main',
};
const shards = new Map(
  [
    shardOf('a1', 'a', 300, { load: { r1: { rate: 300, nextOffset: 0 } } }),
    shardOf('a2', 'a', 900),
    shardOf('b1', 'b', 950),
    shardOf('b2', 'b', 850),
    shardOf('b3', 'b', 0, { isLeaving: true }),
  ].map((shard) => [shard.id, shard]),
);
const whyNot = (shard: string, drained: readonly string[] = []): string | undefined =>
  whyNotMoved(range, shard, shards, new Set(drained));

test('a move to a shard that is dead, drained, about to end, or in a full zone is refused with what to do', () => {
  assert.match(whyNot('b9') ?? '', /none with this id now: it is dead or was never there/u);
  assert.match(whyNot('a2', ['a2']) ?? '', /a2 is being emptied; `chappe drain a2 --undo`/u);
  assert.match(whyNot('b3') ?? '', /b3 is being emptied/u);
  assert.equal(whyNot('b1'), 'zone b would have 2100 commands a second, and can take 2000: add senders there first');
});

test('within its own zone a range may go wherever the operator wants, and to a zone that has room', () => {
  assert.equal(whyNot('a2'), undefined);
  const roomy = new Map([...shards, ['b4', shardOf('b4', 'b', 0)] as const]);
  assert.equal(whyNotMoved(range, 'b1', roomy, new Set()), undefined);
  assert.match(
    whyNotMoved(range, 'b1', roomy, new Set(['b4'])) ?? '',
    /can take 2000/u,
    'a drained shard takes nothing',
  );
});
