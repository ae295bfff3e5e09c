import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { RangeLoad, ShardInfo } from '@chappe/ranges/shard-info';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { clusterFigures } from '../src/cluster-figures.ts';
import { openCoordinatorEvents } from '../src/events.ts';

function shardOf(
  id: string,
  zone: string,
  load: Record<string, RangeLoad>,
  options: Partial<ShardInfo> = {},
): ShardInfo {
  const counts = { capacity: 1_000, ranges: Object.keys(load).length, rate: 100, attachedDevices: 0, load };
  return { id, instance: `${id}-now`, address: `unix:/${id}`, zone, ...counts, ...options };
}

function rangeOf(id: string, owner: string | undefined, options: Partial<Range> = {}): Range {
  const bounds = { start: '', end: endOfNumbers, topic: `range-${id}`, store: 'main' };
  const ownerInstance = owner === undefined ? undefined : `${owner}-now`;
  return { id, state: 'active', owner, ownerInstance, epoch: 1, ...bounds, ...options };
}

test('a range is counted by what its owner does', () => {
  const shards = [
    shardOf('s1', 'a', { served: { rate: 1 }, stuck: { rate: 0, problem: 'the store is away' } }),
    shardOf('s2', 'b', { stopped: { rate: 0, problem: 'stopped: rolled back', isStopped: true } }),
  ];
  const ranges = [
    rangeOf('served', 's1'),
    rangeOf('stuck', 's1'),
    rangeOf('stopped', 's2'),
    rangeOf('taking', 's2'),
    rangeOf('never-given', undefined),
    rangeOf('of-the-dead', 's3'),
    rangeOf('of-a-former-life', 's1', { ownerInstance: 's1-before' }),
    rangeOf('worked-off', 's3', { state: 'sealed' }),
  ];
  const { ranges: counts } = clusterFigures(ranges, shards);
  assert.deepEqual(Object.fromEntries(counts.get('active') ?? []), {
    served: 1,
    stuck: 1,
    stopped: 1,
    taking: 1,
    ownerless: 3,
  });
  assert.deepEqual(Object.fromEntries(counts.get('sealed') ?? []), { done: 1 });
});

test('a shard that leaves still works and has no capacity', () => {
  const shards = [
    shardOf('s1', 'a', {}),
    shardOf('s2', 'a', {}, { isLeaving: true }),
    shardOf('s3', 'b', { r: { rate: 5 } }),
  ];
  assert.deepEqual(clusterFigures([], shards).zones, [
    { zone: 'a', shards: 2, capacity: 1_000, rate: 200, ranges: 0 },
    { zone: 'b', shards: 1, capacity: 1_000, rate: 100, ranges: 1 },
  ]);
});

test('who leads no more says nothing of the cluster', async () => {
  const telemetry = openTelemetry({ service: 'test', level: 'silent' });
  const events = openCoordinatorEvents(telemetry);
  const shown = async (): Promise<string[]> =>
    (await telemetry.metrics.metrics())
      .split('\n')
      .filter((line) => /^chappe_coordinator_(leading|ranges|zone|looked)/.test(line));
  assert.deepEqual(await shown(), ['chappe_coordinator_leading 0']);
  events.leads();
  events.looked(clusterFigures([rangeOf('r', undefined)], [shardOf('s1', 'a', {})]));
  const leading = await shown();
  assert.ok(leading.includes('chappe_coordinator_ranges{state="active",ownership="ownerless"} 1'));
  assert.ok(leading.includes('chappe_coordinator_ranges{state="active",ownership="stopped"} 0'));
  assert.ok(leading.includes('chappe_coordinator_zone_capacity_commands{shard_zone="a"} 1000'));
  events.stoodDown();
  assert.deepEqual(await shown(), ['chappe_coordinator_leading 0']);
});
