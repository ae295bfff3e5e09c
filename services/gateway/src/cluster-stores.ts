/** The part of ClusterService about stores: which there are, and wishes for them, which the coordinator fulfils. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import { StoreChangeKind, type ClusterService, type StoreChangeSchema } from '@chappe/proto/v1/cluster_service';
import type { Range } from '@chappe/ranges/range';
import {
  formatStoreChange,
  parseStoreChange,
  storeChangePrefix,
  type StoreChange,
  type StoreChangeKind as Kind,
} from '@chappe/ranges/store-change';
import {
  parseStore,
  storeAddressProblem,
  storeIdPattern,
  storePrefix,
  type StoreInfo,
} from '@chappe/ranges/store-info';
import type { Handlers as HandlersOf } from '@chappe/rpc/server';
import { rangeProblem } from './cluster-problems.ts';
import { answeringOutages } from './coordination-outage.ts';
import type { ReshapingDependencies } from './reshaping.ts';

type Handlers = Pick<HandlersOf<typeof ClusterService>, 'listStores' | 'changeStore'>;

const kinds: ReadonlyMap<StoreChangeKind, Kind> = new Map([
  [StoreChangeKind.ADD, 'add'],
  [StoreChangeKind.FAILOVER, 'failover'],
  [StoreChangeKind.RESTORED, 'restored'],
]);

export function clusterStores({ callers, table, coordination, now }: ReshapingDependencies): Handlers {
  return {
    listStores: async (_request, { bearer }) => {
      await callers.operator(bearer);
      const stores = await listStores(coordination);
      const changes = await listChanges(coordination);
      const ranges = (table.current()?.ranges ?? []).filter(({ state }) => state !== 'sealed');
      const rangesOf = Map.groupBy(ranges, ({ store }) => store);
      const ids = [...new Set([...stores.keys(), ...changes.keys(), ...rangesOf.keys()])].toSorted((a, b) =>
        a < b ? -1 : 1,
      );
      return {
        stores: ids.map((id) => {
          const store = stores.get(id);
          const change = changes.get(id);
          const own = rangesOf.get(id) ?? [];
          return {
            id,
            address: store?.address ?? '',
            identity: store?.identity ?? '',
            incarnation: BigInt(store?.incarnation ?? 0),
            ranges: own.length,
            rate: own.reduce((sum, range) => sum + rateOf(range), 0),
            ...(change === undefined ? {} : { change: toWire(change) }),
            problem: problemOf(own, store),
          };
        }),
      };
    },

    changeStore: async ({ store: id, kind: wireKind, address, oldIsFenced }, { bearer }) => {
      await callers.operator(bearer);
      const kind = kinds.get(wireKind);
      if (kind === undefined) throw invalid('kind: name one');
      if (!storeIdPattern.test(id)) throw invalid('store: an id of at most 64 letters, digits, `.`, `_` and `-`');
      if (address === '' && kind !== 'restored') throw invalid('address: name one');
      const problem = address === '' ? undefined : storeAddressProblem(address);
      if (problem !== undefined) throw invalid(`address: ${problem}`);
      const known = (await listStores(coordination)).get(id);
      if (kind === 'add' && known !== undefined)
        throw invalid(`store: there is a store ${id} already, at ${known.address}`);
      if (kind !== 'add' && known === undefined) throw new ChappeError('notFound', 'store: there is none with this id');
      const change: StoreChange = {
        id,
        kind,
        ...(address === '' ? {} : { address }),
        ...(oldIsFenced ? { oldIsFenced } : {}),
        step: 'requested',
        sinceMs: now(),
      };
      const key = storeChangePrefix + id;
      await answeringOutages(() => coordination.transact([], [{ kind: 'put', key, value: formatStoreChange(change) }]));
      return { change: toWire(change) };
    },
  };

  function rateOf({ id, owner }: Range): number {
    return table.shards().get(owner ?? '')?.load[id]?.rate ?? 0;
  }

  function problemOf(own: readonly Range[], store: StoreInfo | undefined): string {
    if (store === undefined && own.length > 0) return 'ranges name it, and it was not added';
    const stuck = own.filter((range) => rangeProblem(range, table.shards()) !== undefined);
    return stuck.length === 0 ? '' : `${stuck.length} of its ranges do not get on`;
  }
}

export async function listStores(coordination: Coordination): Promise<ReadonlyMap<string, StoreInfo>> {
  const { entries } = await answeringOutages(() => coordination.list(storePrefix));
  return new Map(entries.map(({ value }) => parseStore(value)).map((store) => [store.id, store]));
}

async function listChanges(coordination: Coordination): Promise<ReadonlyMap<string, StoreChange>> {
  const { entries } = await answeringOutages(() => coordination.list(storeChangePrefix));
  return new Map(entries.map(({ value }) => parseStoreChange(value)).map((change) => [change.id, change]));
}

function toWire({ kind, step, problem = '', sinceMs }: StoreChange): MessageInitShape<typeof StoreChangeSchema> {
  const [wireKind] = [...kinds].find(([, own]) => own === kind) ?? [StoreChangeKind.UNSPECIFIED];
  return { kind: wireKind, step, problem, since: timestampFromMs(sinceMs) };
}

function invalid(detail: string): ChappeError {
  return new ChappeError('parameterInvalid', detail);
}
