/**
 * How long the coordinator plans for a large table: 10,000 ranges on 500 shards, a load on each range.
 *
 *     node load-tests/load/planning-time.ts
 *
 * It is the time of its thread: what else the machine does does not count.
 */
import { decideShape } from '@chappe/coordinator/decide-shape';
import { usualDecisions } from '@chappe/coordinator/decision-settings';
import { planAssignments } from '@chappe/coordinator/plan';
import { noteLoads, type RangeLoads } from '@chappe/coordinator/range-loads';
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';
import { doneOffset, rangeAt, rangeCount, reporting, shardAt, shardCount } from '../scale/large-table.ts';

export interface PlanningTime {
  readonly case: string;
  /** Ranges that get another owner, are split or are merged. */
  readonly actions: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly maxMs: number;
}

/** The first are not counted: the code is compiled in them. */
const warmRounds = 20;
const rounds = 60;
const hourMs = 3_600_000;

export function planningTimes(): PlanningTime[] {
  const places = Array.from({ length: shardCount }, (_, no) => shardAt(no));
  const settled = Array.from({ length: rangeCount }, (_, no) => rangeAt(no, places[no % shardCount]));
  const orphans = settled.map((range) => ({ ...range, owner: undefined, ownerInstance: undefined }));
  const shards = places.map((shard) => reporting(shard, settled));
  // From 15 to 45 a second: half of what the shards take.
  const even = loadsOf(settled, (no) => 15 + ((no * 7) % 31));
  const uneven = loadsOf(settled, (no) => (no % shardCount < 50 ? 70 : 15 + ((no * 7) % 31)));
  const hot = loadsOf(settled, (no) => (no % 100 === 0 ? 800 : no % 2));
  const shape = (loads: RangeLoads) => (): number => {
    const common = { ranges: settled, shards, reshapes: [], pins: new Map<string, string>(), rangesLeast: 12 };
    const { actions, later } = decideShape({ ...common, loads, nowMs: 2 * hourMs, settings: usualDecisions });
    return actions.length + later.length;
  };
  return [
    timeOf('nothing to do', assigned(settled, shards, even)),
    timeOf('a tenth of the shards has too much', assigned(settled, shards, uneven)),
    timeOf('a shard joined', assigned(settled, [...shards, shardAt(shardCount)], even)),
    timeOf('one shard of 500 died', assigned(settled, shards.slice(1), even)),
    timeOf(
      'a zone of 250 shards died',
      assigned(
        settled,
        shards.filter(({ zone }) => zone === shards[0]?.zone),
        even,
      ),
    ),
    timeOf('nothing has an owner', assigned(orphans, shards, even)),
    timeOf('which to split and merge', shape(hot)),
    timeOf('the load is noted', () => noteLoads(even, settled, shards, 2 * hourMs + 500, usualDecisions).byRange.size),
  ];
}

function assigned(ranges: readonly Range[], alive: readonly ShardInfo[], loads: RangeLoads): () => number {
  return () => planAssignments(ranges, alive, new Set(), { loads }).assignments.length;
}

function timeOf(name: string, plan: () => number): PlanningTime {
  const times: number[] = [];
  let actions = 0;
  for (let round = 0; round < warmRounds + rounds; round += 1) {
    const before = process.threadCpuUsage();
    actions = plan();
    const { user, system } = process.threadCpuUsage(before);
    if (round >= warmRounds) times.push((user + system) / 1000);
  }
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.min(rounds - 1, Math.floor(rounds * share))] ?? NaN;
  return { case: name, actions, medianMs: at(0.5), p95Ms: at(0.95), maxMs: at(1) };
}

function loadsOf(ranges: readonly Range[], rateAt: (no: number) => number): RangeLoads {
  const common = { sinceMs: 0, peaks: [], position: doneOffset, atMs: 2 * hourMs, weight: 1 };
  return {
    sinceMs: 0,
    atMs: 2 * hourMs,
    byRange: new Map(ranges.map(({ id }, no) => [id, { ...common, rate: rateAt(no) }])),
  };
}

if (import.meta.main)
  for (const { case: name, actions, medianMs, p95Ms, maxMs } of planningTimes()) {
    const times = [medianMs, p95Ms, maxMs].map((ms) => ms.toFixed(1).padStart(6)).join(' ');
    process.stdout.write(`${name.padEnd(36)} ${String(actions).padStart(6)} actions, ms: ${times}\n`);
  }
