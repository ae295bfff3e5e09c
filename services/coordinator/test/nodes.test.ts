import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Drain } from '@chappe/ranges/drain';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { nodeDrainChanges, whyNodeLeaves, zonesToTell, type Placement } from '../src/nodes.ts';

interface Given {
  /** By shard: its node. */
  readonly on: Record<string, string | undefined>;
  readonly leaving?: readonly string[];
  readonly drains?: Record<string, Drain>;
  readonly rates?: Record<string, number>;
  readonly silent?: readonly string[];
}

function placement({ on, leaving = [], drains = {}, rates = {}, silent = [] }: Given): Placement {
  const names = [...new Set(Object.values(on).flatMap((node) => node ?? []))];
  const shards = Object.keys(on).filter((id) => !silent.includes(id));
  return {
    shards: new Map(
      shards.map((id): [string, ShardInfo] => {
        const counts = { capacity: 1_000, ranges: 1, rate: rates[id] ?? 0, attachedDevices: 0, load: {} };
        return [id, { id, instance: 'i', address: '', zone: '', ...counts }];
      }),
    ),
    drains: new Map(Object.entries(drains)),
    pods: new Map(
      Object.entries(on).map(([name, node]) => [
        name,
        { name, isRunning: node !== undefined, hasZone: false, ...(node === undefined ? {} : { node }) },
      ]),
    ),
    nodes: new Map(
      names.map((name) => [
        name,
        { name, zone: `zone-${name}`, ...(leaving.includes(name) ? { leaves: 'it is cordoned' } : {}) },
      ]),
    ),
  };
}

const two = { s0: 'a', s1: 'b', s2: 'a', s3: 'b' };
const changes = (given: Given) => Object.fromEntries(nodeDrainChanges(placement(given)));

test('a node is about to be emptied when it is cordoned, or has the taint of somebody who takes nodes away', () => {
  assert.equal(whyNodeLeaves(true, []), 'it is cordoned');
  assert.match(
    whyNodeLeaves(false, [{ key: 'ToBeDeletedByClusterAutoscaler', value: '1700000000' }]) ?? '',
    /Autoscaler/,
  );
  assert.match(whyNodeLeaves(false, [{ key: 'karpenter.sh/disruption', value: 'disrupting' }]) ?? '', /karpenter/);
  assert.equal(whyNodeLeaves(false, [{ key: 'karpenter.sh/disruption', value: 'other' }]), undefined);
  assert.equal(whyNodeLeaves(false, [{ key: 'node.kubernetes.io/memory-pressure' }]), undefined);
});

test('the shards of a leaving node are marked, and no longer when it stays', () => {
  assert.deepEqual(changes({ on: two, leaving: ['a'] }), { s0: true, s2: true });
  const drains = { s0: { node: 1 }, s2: { node: 1 } };
  assert.deepEqual(changes({ on: two, leaving: ['a'], drains }), {});
  assert.deepEqual(changes({ on: two, drains }), { s0: false, s2: false });
});

test('what the operator drained is left as it is, whatever its node does', () => {
  assert.deepEqual(changes({ on: two, leaving: ['a'], drains: { s0: { operator: 1 } } }), { s2: true });
  assert.deepEqual(changes({ on: two, drains: { s0: { operator: 1 } } }), {});
  assert.deepEqual(changes({ on: two, drains: { s0: { operator: 1, node: 2 } } }), { s0: false });
});

test('the mark stays until the pod has come to life elsewhere', () => {
  const drains = { s0: { node: 1 } };
  assert.deepEqual(changes({ on: { ...two, s0: undefined }, leaving: ['a'], drains, silent: [] }), { s2: true });
  assert.deepEqual(changes({ on: { ...two, s0: 'b' }, leaving: ['a'], drains }), { s0: false, s2: true });
  assert.deepEqual(changes({ on: two, leaving: ['a'], drains, silent: ['s0'] }), { s2: true });
});

test('with every node leaving they follow each other, and one always stays', () => {
  const all = changes({ on: two, leaving: ['a', 'b'] });
  assert.equal(Object.values(all).filter(Boolean).length, 3);
  const busy = { s0: 900, s1: 900, s2: 900, s3: 900 };
  assert.deepEqual(changes({ on: two, leaving: ['a', 'b'], rates: busy }), { s0: true });
  assert.deepEqual(changes({ on: { s0: 'a' }, leaving: ['a'] }), {});
});

test('a mark is taken back when the last other shard is lost', () => {
  assert.deepEqual(changes({ on: { s0: 'a', s1: 'b' }, leaving: ['a'], drains: { s0: { node: 1 } }, silent: ['s1'] }), {
    s0: false,
  });
});

test('never are all shards to be empty because of nodes, and what was done is not done again', () => {
  const shardIds = ['s0', 's1', 's2', 's3', 's4'];
  const given = fc.record({
    on: fc.tuple(...shardIds.map(() => fc.constantFrom('a', 'b', 'c', undefined))),
    leaving: fc.subarray(['a', 'b', 'c']),
    marked: fc.subarray(shardIds),
    byOperator: fc.subarray(shardIds),
    silent: fc.subarray(shardIds),
    rate: fc.integer({ min: 0, max: 1_000 }),
  });
  fc.assert(
    fc.property(given, ({ on, leaving, marked, byOperator, silent, rate }) => {
      const drains: Record<string, Drain> = {};
      for (const id of marked) drains[id] = { node: 1 };
      for (const id of byOperator) drains[id] = { ...drains[id], operator: 1 };
      const before: Given = {
        on: Object.fromEntries(shardIds.map((id, index) => [id, on[index]])),
        leaving,
        drains,
        silent,
        rates: Object.fromEntries(shardIds.map((id) => [id, rate])),
      };
      const after = { ...drains };
      for (const [id, isToBeEmpty] of Object.entries(changes(before))) {
        const { node: _, ...others } = after[id] ?? {};
        after[id] = isToBeEmpty ? { ...others, node: 1 } : others;
      }
      assert.deepEqual(changes({ ...before, drains: after }), {});
      const alive = shardIds.filter((id) => !silent.includes(id) && !byOperator.includes(id));
      // Between two pods nothing is known: a mark of before stays.
      const known = alive.filter((id) => before.on[id] !== undefined);
      if (known.length === alive.length && alive.length > 0)
        assert.ok(alive.some((id) => after[id]?.node === undefined));
    }),
  );
});

test('a zone is told where the pod has none itself', () => {
  const at = placement({ on: two });
  assert.deepEqual(Object.fromEntries(zonesToTell(at)), { s0: 'zone-a', s1: 'zone-b', s2: 'zone-a', s3: 'zone-b' });
  const pods = new Map([...at.pods].map(([name, pod]) => [name, { ...pod, hasZone: name !== 's3' }]));
  assert.deepEqual(Object.fromEntries(zonesToTell({ ...at, pods })), { s3: 'zone-b' });
});
