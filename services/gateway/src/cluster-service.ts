/** ClusterService: the routing table and the shards, as this gateway knows them. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { endOfNumbers } from '@chappe/numbers/phone-number';
import { ClusterService } from '@chappe/proto/v1/cluster_service';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Log } from '@chappe/log/log';
import type { Range } from '@chappe/ranges/range';
import type { Callers } from './callers.ts';

export interface ClusterServiceDependencies {
  readonly callers: Callers;
  readonly table: TableWatcher;
  readonly appender: CommandAppender;
  readonly log: Log;
}

export function clusterService({ callers, table, appender, log }: ClusterServiceDependencies): Implementation {
  return implement(ClusterService, {
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
      }));
      return { ranges: await Promise.all(ranges), generation: BigInt(known.generation) };
    },

    listShards: async (_request, { bearer }) => {
      await callers.operator(bearer);
      const ranges = table.current()?.ranges ?? [];
      const shards = [...table.shards().values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
      return {
        // Its ranges by the table: its own report may be some seconds old.
        shards: shards.map(({ id, address, zone, capacity, rate, attachedDevices }) => ({
          id,
          address,
          zone,
          capacity,
          rate,
          attachedDevices,
          ranges: ranges.filter(({ owner }) => owner === id).length,
        })),
      };
    },
  });

  function loadOf(range: Range) {
    return range.owner === undefined ? undefined : table.shards().get(range.owner)?.load[range.id];
  }

  /** Against the log's end, where the log answers. */
  async function lagOf(range: Range): Promise<number> {
    const load = loadOf(range);
    if (load === undefined) return appender.lagOf(range);
    try {
      return Math.max(0, (await log.end(range.topic)) - load.nextOffset);
    } catch {
      return appender.lagOf(range);
    }
  }
}
