/** How long the coordinator plans a large cluster: 10,000 ranges over 500 shards in two zones, in this process. */
import { initialRanges } from '@chappe/coordinator/initial-ranges';
import { planAssignments, type Assignment } from '@chappe/coordinator/plan';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

const rangeCount = 10_000;
const shardCount = 500;
const timesEach = 20;

export interface Planning {
  /** The median of 20 plans, in ms: all ranges of a new cluster, one that is at rest, a zone that died. */
  readonly newMs: number;
  readonly atRestMs: number;
  readonly zoneLostMs: number;
}

export function measurePlanning(): Planning {
  const bounds = Array.from({ length: rangeCount - 1 }, (_, no) => String(10_001 + no));
  const ranges = initialRanges(bounds, 'main');
  const shards = Array.from({ length: shardCount }, (_, no) => shardOf(no));
  const none = new Set<string>();
  const plan = planAssignments(ranges, shards, none);
  const table = given(plan);
  const working = shards.map((shard) => ({ ...shard, load: loadOf(shard, table) }));
  const zoneB = working.filter(({ zone }) => zone === 'b');
  return {
    newMs: medianMs(() => planAssignments(ranges, shards, none)),
    atRestMs: medianMs(() => planAssignments(table, working, none)),
    zoneLostMs: medianMs(() => planAssignments(table, zoneB, none)),
  };
}

function shardOf(no: number): ShardInfo {
  const [id, zone] = [`s${no}`, no % 2 === 0 ? 'a' : 'b'];
  const capacity = no % 3 === 0 ? 3_000 : 1_500;
  return { id, instance: id, address: `${id}:1`, zone, capacity, ranges: 0, rate: 0, attachedDevices: 0, load: {} };
}

function given(plan: readonly Assignment[]): Range[] {
  return plan.map(({ range, shard }) => ({ ...range, owner: shard.id, ownerInstance: shard.instance, epoch: 1 }));
}

function loadOf({ id }: ShardInfo, table: readonly Range[]): ShardInfo['load'] {
  const held = table.filter(({ owner }) => owner === id);
  return Object.fromEntries(held.map((range) => [range.id, { nextOffset: 0, rate: 0 }]));
}

function medianMs(act: () => unknown): number {
  const times = Array.from({ length: timesEach }, () => {
    const startedMs = performance.now();
    act();
    return performance.now() - startedMs;
  }).toSorted((a, b) => a - b);
  return times[timesEach / 2] ?? Number.NaN;
}
