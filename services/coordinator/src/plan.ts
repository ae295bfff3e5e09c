/**
 * Which shard should work on which range: a pure function of what is there.
 *
 * A range without a living owner, or whose owner is leaving, goes to its former shard if that is back, else to the one with the
 * fewest ranges for its capacity. Of the others at most one is moved at a time, and only when a
 * shard has two more than another could have instead: so a shard that joins gets its share, and
 * nothing goes back and forth.
 */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

export interface Assignment {
  readonly range: Range;
  readonly shard: ShardInfo;
}

/**
 * @param shards those that are alive, with those whose silence is not yet proof of death left out
 * @param missing ids of shards that are silent but not yet given up: their ranges wait for them
 */
export function planAssignments(
  ranges: readonly Range[],
  shards: readonly ShardInfo[],
  missing: ReadonlySet<string>,
): Assignment[] {
  const alive = new Map(shards.map((shard) => [shard.id, shard]));
  // Shards that leave keep their ranges only as long as there is nobody else.
  const staying = shards.filter(({ isLeaving }) => isLeaving !== true);
  const byId = new Map(staying.map((shard) => [shard.id, shard]));
  const held = new Map(staying.map(({ id }) => [id, 0]));
  const orphans: Range[] = [];
  const settled: Range[] = [];
  for (const range of ranges) {
    if (range.state !== 'active' && range.state !== 'draining') continue;
    const owner = range.owner === undefined ? undefined : alive.get(range.owner);
    const isKept = owner?.isLeaving !== true || staying.length === 0;
    if (owner !== undefined && owner.instance === range.ownerInstance && isKept) {
      held.set(owner.id, (held.get(owner.id) ?? 0) + 1);
      settled.push(range);
    } else if (range.owner === undefined || owner !== undefined || !missing.has(range.owner)) {
      orphans.push(range);
    }
  }
  if (orphans.length === 0) return balance(settled, byId, held);
  return orphans.flatMap((range) => {
    const shard = chooseShard(range, byId, held);
    if (shard === undefined) return [];
    held.set(shard.id, (held.get(shard.id) ?? 0) + 1);
    return [{ range, shard }];
  });
}

/** One range from the fullest shard to the emptiest, if that makes them more equal. */
function balance(
  settled: readonly Range[],
  shards: ReadonlyMap<string, ShardInfo>,
  held: ReadonlyMap<string, number>,
): Assignment[] {
  const load = (shard: ShardInfo, more: number): number =>
    ((held.get(shard.id) ?? 0) + more) / Math.max(1, shard.capacity);
  const inOrder = [...shards.values()].toSorted((a, b) => load(a, 0) - load(b, 0) || (a.id < b.id ? -1 : 1));
  const [emptiest, fullest] = [inOrder[0], inOrder.at(-1)];
  if (emptiest === undefined || fullest === undefined || load(emptiest, 1) > load(fullest, -1)) return [];
  const range = settled.findLast(({ owner, state }) => owner === fullest.id && state === 'active');
  return range === undefined ? [] : [{ range, shard: emptiest }];
}

function chooseShard(
  range: Range,
  shards: ReadonlyMap<string, ShardInfo>,
  held: ReadonlyMap<string, number>,
): ShardInfo | undefined {
  // A restarted shard gets its ranges back: its successors would have to give them up again.
  const former = range.owner === undefined ? undefined : shards.get(range.owner);
  if (former !== undefined) return former;
  const load = (shard: ShardInfo): number => ((held.get(shard.id) ?? 0) + 1) / Math.max(1, shard.capacity);
  let best: ShardInfo | undefined;
  let bestLoad = Infinity;
  for (const shard of shards.values()) {
    const its = load(shard);
    if (its > bestLoad || (its === bestLoad && best !== undefined && best.id < shard.id)) continue;
    best = shard;
    bestLoad = its;
  }
  return best;
}
