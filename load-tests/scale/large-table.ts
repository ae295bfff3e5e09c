/** A table of the largest size that was thought of: 10,000 ranges on 500 shards in two zones, with what these report. */
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { topicOf, type Range } from '@chappe/ranges/range';
import type { ShardInfo } from '@chappe/ranges/shard-info';

export const rangeCount = 10_000;
export const shardCount = 500;

const digits = (at: number): string => String(at).padStart(5, '0');

/** Up to there everything is done, in every range. */
export const doneOffset = 1_234_567;

export function shardAt(no: number): ShardInfo {
  const id = `sender-${no}`;
  return {
    id,
    instance: `${id}-0123456789abcdef`,
    address: `${id}.chappe-sender.chappe.svc.cluster.local:7403`,
    zone: no % 2 === 0 ? 'eu-central-1a' : 'eu-central-1b',
    capacity: 1_500,
    ranges: 0,
    rate: 0,
    attachedDevices: 4_000,
    load: {},
  };
}

/** Works on what the table gives it. */
export function reporting(shard: ShardInfo, ranges: readonly Range[]): ShardInfo {
  const own = ranges.filter(({ owner }) => owner === shard.id);
  const load = own.map(({ id, start }) => [id, { nextOffset: doneOffset, rate: 12.5, median: `${start}5` }]);
  return { ...shard, ranges: own.length, rate: 12.5 * own.length, load: Object.fromEntries(load) };
}

export function rangeAt(no: number, shard: ShardInfo | undefined): Range {
  const id = `r${no + 1}`;
  return {
    id,
    start: no === 0 ? '' : digits(no),
    end: no === rangeCount - 1 ? endOfNumbers : digits(no + 1),
    state: 'active',
    owner: shard?.id,
    ownerInstance: shard?.instance,
    epoch: 17,
    topic: topicOf(id),
    store: 'main',
  };
}
