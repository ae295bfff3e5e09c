/** Whether a range can be given to a shard: asked before the operator's wish is written down, to say at once what is wrong. */
import type { Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

/**
 * In words, with what to do; undefined: it can.
 *
 * @param shards those that are alive
 * @param drained ids of shards that somebody wants without ranges
 */
export function whyNotMoved(
  range: Range,
  shardId: string,
  shards: ReadonlyMap<string, ShardInfo>,
  drained: ReadonlySet<string>,
): string | undefined {
  const shard = shards.get(shardId);
  if (shard === undefined)
    return 'there is none with this id now: it is dead or was never there; `chappe shards` lists those that are';
  if (shard.isLeaving === true || drained.has(shardId))
    return `${shardId} is being emptied; \`chappe drain ${shardId} --undo\` first, if an operator wanted that`;
  const owner = shards.get(range.owner ?? '');
  if (owner?.zone === shard.zone) return undefined;
  const rate = owner?.load[range.id]?.rate ?? 0;
  const zone = [...shards.values()].filter(
    (one) => one.zone === shard.zone && one.isLeaving !== true && !drained.has(one.id),
  );
  const total = zone.reduce((sum, one) => sum + one.rate, rate);
  const capacity = zone.reduce((sum, one) => sum + one.capacity, 0);
  if (total <= capacity) return undefined;
  return `zone ${shard.zone} would have ${Math.round(total)} commands a second, and can take ${capacity}: add senders there first`;
}
