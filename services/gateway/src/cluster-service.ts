/** ClusterService: the routing table and the shards, as this gateway knows them, and what the operator wants of them. */
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { ClusterService } from '@chappe/proto/v1/cluster_service';
import { changeDrain, drainersOf, drainPrefix, parseDrain } from '@chappe/ranges/drain';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Log } from '@chappe/log/log';
import type { Range } from '@chappe/ranges/range';
import type { RangeLoad, ShardInfo } from '@chappe/ranges/shard-info';
import type { Callers } from './callers.ts';
import { rangeProblem, shardProblem } from './cluster-problems.ts';
import { answeringOutages } from './coordination-outage.ts';
import { planning } from './planning.ts';
import { clusterStores } from './cluster-stores.ts';
import { reshaping } from './reshaping.ts';

export interface ClusterServiceDependencies {
  readonly callers: Callers;
  readonly table: TableWatcher;
  readonly appender: CommandAppender;
  readonly log: Log;
  readonly coordination: Coordination;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function clusterService({
  callers,
  table,
  appender,
  log,
  coordination,
  now,
}: ClusterServiceDependencies): Implementation {
  return implement(ClusterService, {
    ...reshaping({ callers, table, coordination, now }),
    ...planning({ callers, coordination }),
    ...clusterStores({ callers, table, coordination, now }),

    listRanges: async (_request, { bearer }) => {
      await callers.operator(bearer);
      const known = table.current();
      if (known === undefined) throw new ChappeError('notReady', 'the routing table is not known yet');
      const ranges = known.ranges.map(async (range) => ({
        id: range.id,
        start: range.start,
        end: range.end === endOfNumbers ? '' : range.end,
        state: range.state,
        owner: range.owner ?? '',
        epoch: BigInt(range.epoch),
        topic: range.topic,
        lag: BigInt(await lagOf(range)),
        rate: loadOf(range)?.rate ?? 0,
        zone: ownerOf(range)?.zone ?? '',
        problem: rangeProblem(range, table.shards()) ?? '',
        store: range.store,
      }));
      return { ranges: await Promise.all(ranges), generation: BigInt(known.generation) };
    },

    listShards: async (_request, { bearer }) => {
      await callers.operator(bearer);
      const ranges = table.current()?.ranges ?? [];
      const drains = await answeringOutages(() => coordination.list(drainPrefix));
      const drainedBy = new Map(
        drains.entries.map(({ key, value }) => [key.slice(drainPrefix.length), drainersOf(parseDrain(value))]),
      );
      // By the table: a shard's own report may be some seconds old.
      const heldBy = Map.groupBy(ranges, ({ owner }) => owner ?? '');
      const known = table.shards();
      const silent = [...heldBy.keys()].filter((id) => id !== '' && !known.has(id));
      const shards = [...known.values(), ...silent.map(silentShard)].map((shard) => {
        const held = heldBy.get(shard.id) ?? [];
        return {
          id: shard.id,
          address: shard.address,
          zone: shard.zone,
          capacity: shard.capacity,
          rate: shard.rate,
          attachedDevices: shard.attachedDevices,
          draining: shard.isLeaving === true || drainedBy.has(shard.id),
          drainedBy: drainedBy.get(shard.id) ?? [],
          ranges: held.length,
          problem: shardProblem(shard.id, held, known) ?? '',
        };
      });
      return { shards: shards.toSorted((a, b) => compareText(a.zone, b.zone) || compareText(a.id, b.id)) };
    },

    drainShard: async ({ shard, undo }, { bearer }) => {
      await callers.operator(bearer);
      if (!undo && !table.shards().has(shard))
        throw new ChappeError('notFound', 'shard: there is none with this id now');
      const drain = await answeringOutages(() =>
        changeDrain(coordination, shard, 'operator', undo ? undefined : now()),
      );
      return { drainedBy: drainersOf(drain) };
    },
  });

  function ownerOf({ owner }: Range): ShardInfo | undefined {
    return owner === undefined ? undefined : table.shards().get(owner);
  }

  function loadOf(range: Range): RangeLoad | undefined {
    return ownerOf(range)?.load[range.id];
  }

  /** Against the log's end, where the log answers. */
  async function lagOf(range: Range): Promise<number> {
    const { nextOffset, doneBeyond = 0 } = loadOf(range) ?? {};
    if (nextOffset === undefined) return appender.lagOf(range);
    try {
      return Math.max(0, (await log.end(range.topic)) - nextOffset - doneBeyond);
    } catch {
      return appender.lagOf(range);
    }
  }
}

function silentShard(id: string): Omit<ShardInfo, 'instance' | 'load' | 'ranges'> {
  return { id, address: '', zone: '', capacity: 0, rate: 0, attachedDevices: 0 };
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
