/** What is wrong with a range or a shard, in words for the operator, by what the table and the shards say. */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

/** Undefined: its owner works on it. */
export function rangeProblem(range: Range, shards: ReadonlyMap<string, ShardInfo>): string | undefined {
  if (range.state === 'sealed') return undefined;
  if (range.owner === undefined) return 'no shard has it';
  const owner = shards.get(range.owner);
  if (owner === undefined) return 'its shard is silent';
  if (owner.instance !== range.ownerInstance) return 'its shard has started anew and waits for it';
  const load = owner.load[range.id];
  return load === undefined ? 'its shard is taking it' : load.problem;
}

/** Undefined: there is nothing to say. `held` are the ranges that the table gives it. */
export function shardProblem(
  id: string,
  held: readonly Range[],
  shards: ReadonlyMap<string, ShardInfo>,
): string | undefined {
  if (!shards.has(id)) return 'silent';
  const count = held.filter((range) => rangeProblem(range, shards) !== undefined).length;
  return count === 0 ? undefined : `${count} of its ranges do not get on`;
}
