/** What the leader's look at the cluster says as numbers: who works on ranges, and what each zone could take. */
import type { Range, RangeState } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

/** Whether anybody works on a range. */
export type Ownership =
  /** Its owner works on it. */
  | 'served'
  /** Its owner lives and says that it does not get on. */
  | 'stuck'
  /** Its owner lives and has it not yet. */
  | 'taking'
  /** Its owner stopped it until a person has looked. */
  | 'stopped'
  /** It has no owner, or one that is not alive. */
  | 'ownerless'
  /** Worked off: nobody has to. */
  | 'done';

export interface ZoneFigures {
  readonly zone: string;
  readonly shards: number;
  /** Of its shards that stay, commands a second. */
  readonly capacity: number;
  /** Commands a second, as its shards measured. */
  readonly rate: number;
  readonly ranges: number;
}

export interface ClusterFigures {
  readonly ranges: ReadonlyMap<RangeState, ReadonlyMap<Ownership, number>>;
  readonly zones: readonly ZoneFigures[];
}

/** @param shards those that are alive */
export function clusterFigures(ranges: readonly Range[], shards: readonly ShardInfo[]): ClusterFigures {
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  const counts = new Map<RangeState, Map<Ownership, number>>();
  for (const range of ranges) {
    const ofState = counts.get(range.state) ?? new Map<Ownership, number>();
    counts.set(range.state, ofState);
    const ownership = ownershipOf(range, alive.get(range.owner ?? ''));
    ofState.set(ownership, (ofState.get(ownership) ?? 0) + 1);
  }
  const zones = [...Map.groupBy(shards, ({ zone }) => zone)].map(([zone, inZone]) => {
    const sum = (of: (shard: ShardInfo) => number): number => inZone.reduce((total, shard) => total + of(shard), 0);
    return {
      zone,
      shards: inZone.length,
      capacity: sum(({ isLeaving, capacity }) => (isLeaving === true ? 0 : capacity)),
      rate: sum(({ rate }) => rate),
      ranges: sum((shard) => shard.ranges),
    };
  });
  return { ranges: counts, zones };
}

function ownershipOf({ id, state, owner, ownerInstance }: Range, shard: ShardInfo | undefined): Ownership {
  if (state === 'sealed') return 'done';
  // Nobody reads it before those that it replaces are worked off.
  if (state === 'filling' && owner === undefined) return 'done';
  if (shard === undefined || shard.instance !== ownerInstance) return 'ownerless';
  const load = shard.load[id];
  if (load === undefined) return 'taking';
  if (load.isStopped === true) return 'stopped';
  return load.problem === undefined ? 'served' : 'stuck';
}
