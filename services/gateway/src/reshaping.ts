/** The part of ClusterService that changes which ranges there are and where they are: wishes, which the coordinator fulfils. */
import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { ClusterService, ReshapeSchema } from '@chappe/proto/v1/cluster_service';
import { journalPrefix, parseJournalLine } from '@chappe/ranges/journal';
import { leftoverPrefix, parseLeftover, type Leftover } from '@chappe/ranges/leftover';
import { pinPrefix } from '@chappe/ranges/pin';
import { canBeUndone, formatReshape, isEnded, parseReshape, reshapePrefix, type Reshape } from '@chappe/ranges/reshape';
import type { RoutingTable } from '@chappe/ranges/routing-table';
import { drainPrefix } from '@chappe/ranges/drain';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { whyNotReshaped } from '@chappe/ranges/why-not-reshaped';
import type { Handlers as HandlersOf } from '@chappe/rpc/server';
import type { Callers } from './callers.ts';
import { answeringOutages } from './coordination-outage.ts';
import { listStores } from './cluster-stores.ts';
import { cancelAttemptsMax, reasonCharactersMax, reshapesWaitingMax } from './limits.ts';
import { whyNotMoved } from './why-not-moved.ts';

export interface ReshapingDependencies {
  readonly callers: Callers;
  readonly table: TableWatcher;
  readonly coordination: Coordination;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type Handlers = Pick<
  HandlersOf<typeof ClusterService>,
  'reshapeRanges' | 'cancelReshape' | 'listReshapes' | 'moveRange' | 'listJournal'
>;

export function reshaping({ callers, table, coordination, now }: ReshapingDependencies): Handlers {
  return {
    reshapeRanges: async ({ ranges: old, cuts, atMiddle, reason, store }, { bearer }) => {
      await callers.operator(bearer);
      if (atMiddle && cuts.length > 0) throw invalid('cuts: none with at_middle');
      if (reason.length > reasonCharactersMax) throw invalid(`reason: at most ${reasonCharactersMax} characters`);
      const reshapes = await listReshapes(coordination);
      const { ranges } = knownTable(table);
      const why = whyNotReshaped(
        { old, ...(atMiddle ? {} : { cuts }), ...(store === '' ? {} : { store }) },
        {
          ranges: new Map(ranges.map((range) => [range.id, range])),
          reshapes,
          stores: await listStores(coordination),
          leftovers: await listLeftovers(coordination),
        },
      );
      if (why !== undefined) throw why.passes ? new ChappeError('clusterBusy', why.problem) : invalid(why.problem);
      if (reshapes.filter((reshape) => !isEnded(reshape)).length >= reshapesWaitingMax)
        throw new ChappeError('clusterBusy', `${reshapesWaitingMax} reshapes have not ended`);
      const reshape: Reshape = {
        id: randomUUID().slice(0, 8),
        step: 'requested',
        old,
        ...(atMiddle ? {} : { cuts }),
        made: [],
        ends: {},
        ...(store === '' ? {} : { store }),
        reason: reason === '' ? 'the operator wants it' : reason,
        sinceMs: now(),
      };
      const key = reshapePrefix + reshape.id;
      const { succeeded } = await answeringOutages(() =>
        coordination.transact([{ key, absent: true }], [{ kind: 'put', key, value: formatReshape(reshape) }]),
      );
      if (!succeeded) throw new ChappeError('internal', 'an id was given twice; ask again');
      return { reshape: toWire(reshape) };
    },

    cancelReshape: async ({ id }, { bearer }) => {
      await callers.operator(bearer);
      const key = reshapePrefix + id;
      for (let attempt = 0; attempt < cancelAttemptsMax; attempt += 1) {
        const entry = await answeringOutages(() => coordination.get(key));
        if (entry === undefined)
          throw new ChappeError('notFound', 'id: there is no such reshape, or it ended long ago');
        const reshape = parseReshape(entry.value);
        if (reshape.isCancelled === true || reshape.step === 'undone' || reshape.step === 'refused')
          return { reshape: toWire(reshape) };
        if (!canBeUndone(reshape))
          throw new ChappeError(
            'clusterBusy',
            `the reshape is ${reshape.step}: it cannot be taken back any more, and goes on`,
          );
        const cancelled: Reshape = { ...reshape, isCancelled: true };
        const { succeeded } = await answeringOutages(() =>
          coordination.transact(
            [{ key, modRevision: entry.modRevision }],
            [{ kind: 'put', key, value: formatReshape(cancelled) }],
          ),
        );
        if (succeeded) return { reshape: toWire(cancelled) };
      }
      throw new ChappeError('clusterBusy', 'the reshape goes on too fast to be taken back; look at it again');
    },

    listReshapes: async (_request, { bearer }) => {
      await callers.operator(bearer);
      const reshapes = await listReshapes(coordination);
      return { reshapes: reshapes.toSorted((a, b) => a.sinceMs - b.sinceMs).map(toWire) };
    },

    moveRange: async ({ range: rangeId, shard: shardId, undo }, { bearer }) => {
      await callers.operator(bearer);
      const known = knownTable(table);
      const range = known.byId(rangeId);
      if (range === undefined) throw new ChappeError('notFound', 'range: there is none with this id');
      if (!undo) {
        if (range.state !== 'active') throw new ChappeError('clusterBusy', `range ${rangeId} is ${range.state}`);
        const drains = await answeringOutages(() => coordination.list(drainPrefix));
        const drained = new Set(drains.entries.map(({ key }) => key.slice(drainPrefix.length)));
        const problem = whyNotMoved(range, shardId, table.shards(), drained);
        if (problem !== undefined) throw invalid(`shard: ${problem}`);
      }
      const key = pinPrefix + rangeId;
      await answeringOutages(() =>
        coordination.transact([], [undo ? { kind: 'delete', key } : { kind: 'put', key, value: shardId }]),
      );
      return {};
    },

    listJournal: async ({ limit }, { bearer }) => {
      await callers.operator(bearer);
      const { entries } = await answeringOutages(() => coordination.list(journalPrefix));
      const lines = entries.slice(-(limit === 0 ? 100 : limit)).map(({ value }) => parseJournalLine(value));
      return { lines: lines.map(({ timeMs, text }) => ({ time: timestampFromMs(timeMs), text })) };
    },
  };
}

async function listLeftovers(coordination: Coordination): Promise<Leftover[]> {
  const { entries } = await answeringOutages(() => coordination.list(leftoverPrefix));
  return entries.map(({ value }) => parseLeftover(value));
}

async function listReshapes(coordination: Coordination): Promise<Reshape[]> {
  const { entries } = await answeringOutages(() => coordination.list(reshapePrefix));
  return entries.map(({ value }) => parseReshape(value));
}

function knownTable(table: TableWatcher): RoutingTable {
  const known = table.current();
  if (known === undefined) throw new ChappeError('notReady', 'the routing table is not known yet');
  return known;
}

function invalid(detail: string): ChappeError {
  return new ChappeError('parameterInvalid', detail);
}

function toWire(reshape: Reshape): MessageInitShape<typeof ReshapeSchema> {
  const { id, step, old, made, cuts = [], reason, problem = '', sinceMs, store = '' } = reshape;
  return {
    id,
    step,
    oldRanges: [...old],
    newRanges: [...made],
    cuts: [...cuts],
    reason,
    problem,
    since: timestampFromMs(sinceMs),
    store,
  };
}
