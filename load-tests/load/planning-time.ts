/** How long the coordinator's planner takes for a large table: 10,000 ranges on 500 shards. */
import { planAssignments } from '@chappe/coordinator/plan';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

export interface PlanningTime {
  readonly case: string;
  readonly assignments: number;
  readonly medianMs: number;
  readonly maxMs: number;
}

const rangeCount = 10_000;
const shardCount = 500;
/** The first are not counted: the code is compiled in them. */
const warmRounds = 20;
const rounds = 50;

export function planningTimes(): PlanningTime[] {
  const shards = Array.from({ length: shardCount }, (_, no) => shardAt(no));
  const settled = Array.from({ length: rangeCount }, (_, no) => rangeAt(no, shards[no % shardCount]));
  const orphans = settled.map((range) => ({ ...range, owner: undefined, ownerInstance: undefined }));
  return [
    timeOf('nothing to do', settled, shards),
    timeOf('one shard of 500 died', settled, shards.slice(1)),
    timeOf(
      'a zone of 250 shards died',
      settled,
      shards.filter(({ zone }) => zone === 'a'),
    ),
    timeOf('a shard joined', settled, [...shards, shardAt(shardCount)]),
    timeOf('nothing has an owner', orphans, shards),
  ];
}

function timeOf(name: string, ranges: readonly Range[], shards: readonly ShardInfo[]): PlanningTime {
  const times: number[] = [];
  let assignments = 0;
  for (let round = 0; round < warmRounds + rounds; round += 1) {
    const startedMs = performance.now();
    assignments = planAssignments(ranges, shards, new Set()).assignments.length;
    if (round >= warmRounds) times.push(performance.now() - startedMs);
  }
  const sorted = times.toSorted((a, b) => a - b);
  return { case: name, assignments, medianMs: sorted[rounds / 2] ?? NaN, maxMs: sorted.at(-1) ?? NaN };
}

function shardAt(no: number): ShardInfo {
  const id = `s${String(no).padStart(3, '0')}`;
  const counts = { capacity: 1_500, ranges: 0, rate: 0, attachedDevices: 0, load: {} };
  return { id, instance: `${id}-1`, address: `${id}:7403`, zone: no % 2 === 0 ? 'a' : 'b', ...counts };
}

function rangeAt(no: number, shard: ShardInfo | undefined): Range {
  const digits = String(no).padStart(5, '0');
  return {
    id: `r${digits}`,
    start: no === 0 ? '' : digits,
    end: no === rangeCount - 1 ? endOfNumbers : String(no + 1).padStart(5, '0'),
    state: 'active',
    owner: shard?.id,
    ownerInstance: shard?.instance,
    epoch: 1,
    topic: `range-r${digits}`,
    store: 'main',
  };
}
