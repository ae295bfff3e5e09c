/**
 * The coordinator: one elected leader makes the table of a new cluster and gives every range
 * without a living owner to a shard, under the next epoch. Standbys wait for the leader's key.
 *
 * Everything is done again from what is in coordination: watches only wake the loop, and a
 * successor goes on where a killed leader stopped. It serves no requests: nothing on the way of a
 * message waits for it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordination, KeyValue, Operation } from '@chappe/coordination/coordination';
import { eventTopic } from '@chappe/event-consumer/bucket';
import type { Log } from '@chappe/log/log';
import { drainPrefix } from '@chappe/ranges/drain';
import { putRange, incarnationOf, parseRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { parseRefusedClaim, refusedClaimPrefix, type RefusedClaim } from '@chappe/ranges/refused-claim';
import { leaderKey } from '@chappe/ranges/leader';
import { pinPrefix } from '@chappe/ranges/pin';
import { reshapePrefix } from '@chappe/ranges/reshape';
import { parseShardInfo, shardPrefix, type ShardInfo } from '@chappe/ranges/shard-info';
import { storeChangePrefix } from '@chappe/ranges/store-change';
import { formatStore, parseStore, storePrefix, type StoreInfo } from '@chappe/ranges/store-info';
import type { OpenStore } from '@chappe/ranges/stores';
import { makeMark } from '@chappe/store/store-mark';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { clusterFigures } from './cluster-figures.ts';
import { openCoordinatorEvents, type CoordinatorEvents } from './events.ts';
import { Decider } from './decider.ts';
import { usualDecisions, type DecisionSettings } from './decision-settings.ts';
import { initialRanges } from './initial-ranges.ts';
import { Journal } from './journal.ts';
import { tryToLead, type Leadership } from './leadership.ts';
import {
  assignmentsPerTransaction,
  leaseTtlMs,
  lookGapMsMax,
  lookIntervalMs,
  lookRestMsMax,
  retryMs,
  topicsAtATime,
} from './limits.ts';
import type { Assignment } from './plan.ts';
import type { RepeatedLook } from './repeated-look.ts';
import { Reshaper } from './reshaper.ts';
import { keepStores } from './store-keeper.ts';

export interface CoordinatorDependencies {
  readonly instance: string;
  readonly coordination: Coordination;
  readonly log: Log;
  readonly telemetry: Telemetry;
  /** Where the ranges of a new cluster are cut: ascending digits. */
  readonly initialBounds: readonly string[];
  readonly eventBuckets: number;
  /** The store of the first ranges: its id and its address. */
  readonly firstStore: Pick<StoreInfo, 'id' | 'address'>;
  readonly openStore: OpenStore;
  /** What decisions by load go by. Absent: as usual. */
  readonly decisions?: Partial<DecisionSettings>;
  /** What else a leader does: begun when this process leads, ended when it leads no more. */
  readonly besides?: (leadership: Leadership) => AsyncDisposable;
  /** A monotonic clock in ms. Absent: the process's. */
  readonly monotonicMs?: () => number;
  /** Milliseconds since 1970, for the journal and for what is kept for a while. Absent: the system's clock. */
  readonly now?: () => number;
}

export interface Coordinator extends AsyncDisposable {
  notReady(): Record<string, string>;
}

export function startCoordinator(dependencies: CoordinatorDependencies): Coordinator {
  const coordinator = new CoordinatorLoop(dependencies);
  coordinator.start();
  return coordinator;
}

class CoordinatorLoop implements Coordinator {
  readonly #dependencies: CoordinatorDependencies;
  readonly #events: CoordinatorEvents;
  readonly #journal: Journal;
  readonly #stopping = new AbortController();
  #reshaper: Reshaper | undefined;
  #decider: Decider | undefined;
  #storeKeeper: RepeatedLook | undefined;
  #wake = Promise.withResolvers<void>();
  #watches: Disposable[] = [];
  #running: Promise<void> | undefined;
  #problem: string | undefined = 'nothing was read yet';
  /** Since when a shard that owns ranges is silent, on this process's monotonic clock. */
  readonly #silentSinceMs = new Map<string, number>();
  #readAtMs = 0;

  constructor(dependencies: CoordinatorDependencies) {
    this.#dependencies = dependencies;
    this.#events = openCoordinatorEvents(dependencies.telemetry);
    this.#journal = new Journal(this.#now);
  }

  start(): void {
    const { coordination } = this.#dependencies;
    const watched = [
      leaderKey,
      shardPrefix,
      rangePrefix,
      refusedClaimPrefix,
      drainPrefix,
      pinPrefix,
      reshapePrefix,
      storePrefix,
      storeChangePrefix,
    ];
    this.#watches = watched.map((prefix) =>
      coordination.watch(prefix, () => {
        this.#wake.resolve();
        this.#reshaper?.wake();
        this.#storeKeeper?.wake();
      }),
    );
    this.#running = this.#run();
  }

  notReady(): Record<string, string> {
    return this.#problem === undefined ? {} : { coordinator: this.#problem };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    this.#wake.resolve();
    await this.#running;
    for (const watch of this.#watches) watch[Symbol.dispose]();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    let leadership: Leadership | undefined;
    let besides: AsyncDisposable | undefined;
    let waitMs: number = retryMs.first;
    while (!signal.aborted) {
      const woken = this.#wake.promise;
      try {
        if (leadership?.lost.aborted === true) {
          await this.#endLoops();
          leadership = undefined;
          await besides?.[Symbol.asyncDispose]();
          besides = undefined;
          this.#events.stoodDown();
        }
        leadership ??= await this.#tryToLead();
        if (leadership !== undefined) besides ??= this.#dependencies.besides?.(leadership);
        const lookedAtMs = this.#nowMs();
        if (leadership !== undefined) await this.#reconcile(leadership);
        this.#problem = undefined;
        waitMs = retryMs.first;
        const restMs = Math.min(this.#nowMs() - lookedAtMs, lookRestMsMax);
        await Promise.race([woken, sleep(this.#nextLookMs(), undefined, { ref: false })]);
        // Half of its time at most: of 500 shards one reports every other millisecond.
        await sleep(restMs, undefined, { signal, ref: false }).catch(() => undefined);
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : 'unknown';
        this.#events.failed(error);
        // Its reads were interrupted: silence counts anew.
        this.#silentSinceMs.clear();
        await sleep(waitMs, undefined, { signal, ref: false }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
      this.#wake = Promise.withResolvers<void>();
    }
    await this.#endLoops();
    await besides?.[Symbol.asyncDispose]();
    await leadership?.[Symbol.asyncDispose]();
  }

  async #endLoops(): Promise<void> {
    await this.#storeKeeper?.[Symbol.asyncDispose]();
    this.#storeKeeper = undefined;
    await this.#reshaper?.[Symbol.asyncDispose]();
    this.#reshaper = undefined;
  }

  async #tryToLead(): Promise<Leadership | undefined> {
    const leadership = await tryToLead(this.#dependencies.coordination, this.#dependencies.instance);
    if (leadership === undefined) return undefined;
    this.#events.leads();
    this.#silentSinceMs.clear();
    try {
      await this.#makeNewCluster(leadership);
    } catch (error) {
      // Kept, its lease would be renewed: nobody would lead, and nobody make what is missing.
      await leadership[Symbol.asyncDispose]();
      this.#events.stoodDown();
      throw error;
    }
    const { coordination, log, openStore } = this.#dependencies;
    const by = { coordination, log, openStore, events: this.#events, journal: this.#journal, now: this.#now };
    this.#reshaper = new Reshaper(by, leadership);
    const { instance, initialBounds, decisions } = this.#dependencies;
    const settings = { ...usualDecisions, ...decisions };
    const monotonicMs = (): number => this.#nowMs();
    this.#decider = new Decider(
      { ...by, instance, settings, rangesLeast: initialBounds.length + 1, monotonicMs },
      leadership,
    );
    this.#storeKeeper = keepStores(by, leadership);
    return leadership;
  }

  readonly #now = (): number => (this.#dependencies.now ?? Date.now)();

  /** Topics first, then the table in one transaction: whoever sees a range finds its topic. */
  async #makeNewCluster(leadership: Leadership): Promise<void> {
    const { coordination, log, initialBounds, eventBuckets, firstStore, openStore } = this.#dependencies;
    // Written when all of them were there. To ask for them again would need every broker, and a leader must not.
    if ((await coordination.get('generation')) !== undefined) return;
    const ranges = initialRanges(initialBounds, firstStore.id);
    await using store = await openStore(firstStore);
    const info: StoreInfo = { ...firstStore, ...(await makeMark(store)) };
    const eventTopics = Array.from({ length: eventBuckets }, (_, bucket) => eventTopic(bucket));
    await createTopics(log, [...eventTopics, ...ranges.map(({ topic }) => topic)]);
    const { succeeded } = await coordination.transact(
      [leadership.compare, { key: 'generation', absent: true }],
      [
        { kind: 'put', key: 'generation', value: '1' },
        { kind: 'put', key: storePrefix + info.id, value: formatStore(info) },
        ...ranges.map(putRange),
      ],
    );
    if (succeeded) this.#events.clusterMade(ranges.length);
  }

  async #reconcile(leadership: Leadership): Promise<void> {
    const { coordination } = this.#dependencies;
    const decider = this.#decider;
    if (decider === undefined) throw new Error('who leads has somebody who decides');
    const [rangeEntries, shardEntries] = [await coordination.list(rangePrefix), await coordination.list(shardPrefix)];
    const entryOf = new Map<string, KeyValue>();
    const ranges = rangeEntries.entries.map((entry) => {
      const range = parseRange(entry.value);
      entryOf.set(range.id, entry);
      return range;
    });
    const refusals = await this.#refusedClaims(leadership, ranges);
    const stores = new Map(
      (await coordination.list(storePrefix)).entries
        .map(({ value }) => parseStore(value))
        .map((info) => [info.id, info]),
    );
    const drained = new Set(
      (await coordination.list(drainPrefix)).entries.map(({ key }) => key.slice(drainPrefix.length)),
    );
    const pins = new Map(
      (await coordination.list(pinPrefix)).entries.map(({ key, value }) => [key.slice(pinPrefix.length), value]),
    );
    const shards = shardEntries.entries
      .map(({ value }) => parseShardInfo(value))
      .map((shard) => (drained.has(shard.id) ? { ...shard, isLeaving: true } : shard));
    this.#events.looked(clusterFigures(ranges, shards));
    const missing = this.#missingShards(shards, new Set(ranges.flatMap(({ owner }) => owner ?? [])));
    const known = ranges.map((range) =>
      afterRestore(afterRefusal(range, refusals.get(range.id)), stores.get(range.store)),
    );
    const look = { ranges: known, shards, missing, pins };
    const placement = decider.place(look);
    const { assignments } = placement;
    const forBalance = new Set(placement.moves.map(({ range }) => range.id));
    for (let from = 0; from < assignments.length; from += assignmentsPerTransaction) {
      const some = assignments.slice(from, from + assignmentsPerTransaction);
      if (!(await this.#assign(leadership, some, entryOf, refusals))) continue;
      for (const { range } of some) if (forBalance.has(range.id)) decider.moved(range.id);
    }
    await decider.shape(look, placement);
  }

  /** What shards said about refused claims; what the table has overtaken is deleted. */
  async #refusedClaims(leadership: Leadership, ranges: readonly Range[]): Promise<Map<string, RefusedClaim>> {
    const { coordination } = this.#dependencies;
    const refusals = new Map<string, RefusedClaim>();
    const epochs = new Map(ranges.map(({ id, epoch }) => [id, epoch]));
    for (const { key, value } of (await coordination.list(refusedClaimPrefix)).entries) {
      const refused = parseRefusedClaim(value);
      const rangeId = key.slice(refusedClaimPrefix.length);
      if (epochs.get(rangeId) === refused.claimedEpoch) refusals.set(rangeId, refused);
      else await coordination.transact([leadership.compare], [{ kind: 'delete', key }]);
    }
    return refusals;
  }

  /**
   * Shards whose key is gone but not yet for a whole TTL of uninterrupted reading: they may be
   * back at once, and a coordination service that wakes from a pause must not move every range.
   */
  #missingShards(alive: readonly ShardInfo[], owners: ReadonlySet<string>): Set<string> {
    const nowMs = this.#nowMs();
    if (nowMs - this.#readAtMs > lookGapMsMax) this.#silentSinceMs.clear();
    this.#readAtMs = nowMs;
    const aliveIds = new Set(alive.map(({ id }) => id));
    for (const id of this.#silentSinceMs.keys()) if (aliveIds.has(id)) this.#silentSinceMs.delete(id);
    const missing = new Set<string>();
    for (const id of owners) {
      if (aliveIds.has(id)) continue;
      const since = this.#silentSinceMs.get(id) ?? nowMs;
      this.#silentSinceMs.set(id, since);
      if (nowMs - since < leaseTtlMs) missing.add(id);
    }
    return missing;
  }

  #nowMs(): number {
    return (this.#dependencies.monotonicMs ?? (() => performance.now()))();
  }

  /** At the moment at which the next silent shard is given up, if that is sooner than the usual look. */
  #nextLookMs(): number {
    const nowMs = this.#nowMs();
    const leftMs = [...this.#silentSinceMs.values()]
      .map((sinceMs) => sinceMs + leaseTtlMs - nowMs)
      .filter((ms) => ms >= 0);
    return Math.min(lookIntervalMs, ...leftMs.map((ms) => ms + 1));
  }

  async #assign(
    leadership: Leadership,
    assignments: readonly Assignment[],
    entryOf: ReadonlyMap<string, KeyValue>,
    refusals: ReadonlyMap<string, RefusedClaim>,
  ): Promise<boolean> {
    const puts = assignments.map(({ range, shard }) =>
      putRange({ ...range, owner: shard.id, ownerInstance: shard.instance, epoch: range.epoch + 1 }),
    );
    const deletes = assignments
      .filter(({ range }) => refusals.has(range.id))
      .map(({ range }): Operation => ({ kind: 'delete', key: refusedClaimPrefix + range.id }));
    const { succeeded } = await this.#dependencies.coordination.transact(
      [
        leadership.compare,
        ...assignments.map(({ range }) => ({
          key: rangePrefix + range.id,
          modRevision: entryOf.get(range.id)?.modRevision ?? 0,
        })),
      ],
      [...puts, ...deletes, this.#journal.line(sentenceOf(assignments))],
    );
    // Not succeeded: something changed meanwhile; the next look sees it.
    if (succeeded)
      for (const { range, shard } of assignments) this.#events.assigned(range.id, shard.id, range.epoch + 1);
    await this.#journal.trim(this.#dependencies.coordination, leadership);
    return succeeded;
  }
}

/** For the journal: e.g. `r1 and r2 to sender-a1: its owner is gone`. */
function sentenceOf(assignments: readonly Assignment[]): string {
  return [...Map.groupBy(assignments, ({ shard, why }) => `${shard.id}: ${why}`)]
    .map(([end, group]) => `${group.map(({ range }) => range.id).join(', ')} to ${end}`)
    .join('; ');
}

async function createTopics(log: Log, topics: readonly string[]): Promise<void> {
  for (let from = 0; from < topics.length; from += topicsAtATime) {
    await Promise.all(topics.slice(from, from + topicsAtATime).map((topic) => log.createTopic(topic)));
  }
}

/**
 * A range whose owner's claim was refused: the store is ahead of coordination, which was perhaps
 * restored from a backup. It goes on from the row's epoch, as if its owner had started anew.
 */
function afterRefusal(range: Range, refused: RefusedClaim | undefined): Range {
  if (refused === undefined) return range;
  return { ...range, ownerInstance: undefined, epoch: Math.max(range.epoch, refused.rowEpoch) };
}

/** A range whose store came back without its last commits begins anew in its new incarnation, as if its owner had. */
function afterRestore(range: Range, store: StoreInfo | undefined): Range {
  if (store === undefined || incarnationOf(range) >= store.incarnation) return range;
  return { ...range, ownerInstance: undefined, incarnation: store.incarnation };
}
