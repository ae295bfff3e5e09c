/**
 * Every process's own copy of the routing table and the shards, kept up to date from
 * coordination.
 *
 * The watch only says what is to be read; one loop reads the state as it is. Shards report their load
 * each second, so the table is not read for them; to read them takes a twentieth of the time at most, unless the table changes. While coordination cannot be
 * reached, or holds a table that is not one, the last good table stays in use and `stale` says so:
 * nothing stops, nothing can be moved.
 */
import type { Coordination, Snapshot } from '@chappe/coordination/coordination';
import { setTimeout as sleep } from 'node:timers/promises';
import { rereadBackoffMaxMs, rereadBackoffMinMs, shardsReadShare, shardsRestMsMax } from './limits.ts';
import { parseRange, rangePrefix } from './range.ts';
import { RoutingTable } from './routing-table.ts';
import { parseShardInfo, shardPrefix, type ShardInfo } from './shard-info.ts';

export interface TableWatcher extends AsyncDisposable {
  /** The last good table; undefined until there was one. */
  current(): RoutingTable | undefined;
  /**
   * Resolves at the next change: of the table, or of the shards' instances and addresses (their
   * loads change all the time and count for nothing here). Resolves too when the watcher ends.
   */
  changed(): Promise<void>;
  /** Calls the listener at every such change, synchronously with the change of `current()`. */
  onChange(listener: () => void): Disposable;
  /** By shard id, as they last reported. */
  shards(): ReadonlyMap<string, ShardInfo>;
  /** How long ago they were read; they report each second while they work. */
  shardsAgeMs(): number;
  /** Whether what it gives may be old: coordination is away or holds nonsense. */
  stale(): boolean;
  /** Why it is stale. */
  problem(): string | undefined;
}

/** Resolves after the first attempt to read, also if that failed. */
export async function watchRoutingTable(coordination: Coordination): Promise<TableWatcher> {
  const watcher = new Watcher(coordination);
  await watcher.start();
  return watcher;
}

class Watcher implements TableWatcher {
  readonly #coordination: Coordination;
  readonly #ending = new AbortController();
  readonly #listeners = new Set<() => void>();
  #watches: Disposable[] = [];
  #loop: Promise<void> | undefined;
  #isTableDue = true;
  #areShardsDue = true;
  #wake: (() => void) | undefined;
  #next = Promise.withResolvers<void>();
  #table: RoutingTable | undefined;
  #shards: ReadonlyMap<string, ShardInfo> = new Map();
  #shardsReadAtMs = -Infinity;
  #shardsRestMs = 0;
  #shardProblem: string | undefined;
  #seenTable = '';
  #seenPlaces = '';
  #problem: string | undefined = 'nothing was read yet';

  constructor(coordination: Coordination) {
    this.#coordination = coordination;
  }

  async start(): Promise<void> {
    const markTable = (): void => {
      this.#isTableDue = true;
      this.#wake?.();
    };
    const markShards = (): void => {
      this.#areShardsDue = true;
      this.#wake?.();
    };
    this.#watches = [
      this.#coordination.watch(rangePrefix, markTable),
      this.#coordination.watch('generation', markTable),
      this.#coordination.watch(shardPrefix, markShards),
    ];
    await this.#read();
    this.#loop = this.#run();
  }

  current(): RoutingTable | undefined {
    return this.#table;
  }

  changed(): Promise<void> {
    return this.#next.promise;
  }

  onChange(listener: () => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  shards(): ReadonlyMap<string, ShardInfo> {
    return this.#shards;
  }

  shardsAgeMs(): number {
    return performance.now() - this.#shardsReadAtMs;
  }

  stale(): boolean {
    return this.#problem !== undefined;
  }

  problem(): string | undefined {
    return this.#problem;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.#wake?.();
    for (const watch of this.#watches) watch[Symbol.dispose]();
    await this.#loop;
    this.#next.resolve();
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending;
    let backoffMs = rereadBackoffMinMs;
    while (!signal.aborted) {
      if (this.#problem !== undefined) {
        await sleep(backoffMs, undefined, { signal }).catch(() => undefined);
        backoffMs = Math.min(backoffMs * 2, rereadBackoffMaxMs);
      } else {
        backoffMs = rereadBackoffMinMs;
        await this.#marked();
      }
      if (signal.aborted) return;
      await this.#read();
    }
  }

  /** Reports of shards alone wait for others: in a large cluster some come in every millisecond. */
  async #marked(): Promise<void> {
    while (!this.#isTableDue && !this.#ending.signal.aborted) {
      const restMs = this.#areShardsDue ? this.#shardsRestMs - this.shardsAgeMs() : undefined;
      if (restMs !== undefined && restMs <= 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const timer = restMs === undefined ? undefined : setTimeout(() => resolve(), restMs);
      await promise;
      clearTimeout(timer);
    }
    this.#wake = undefined;
  }

  async #read(): Promise<void> {
    // What changes while it is read is read again.
    const isTableDue = this.#isTableDue;
    this.#isTableDue = false;
    this.#areShardsDue = false;
    // With a table its shards: a new owner may be one that has just come. Together, as appends may wait for a new table.
    const parts = await Promise.allSettled([...(isTableDue ? [this.#readTable()] : []), this.#readShards()]);
    const failed = parts.find((part) => part.status === 'rejected');
    if (failed !== undefined) {
      this.#isTableDue = true;
      this.#areShardsDue = true;
    }
    this.#problem = failed === undefined ? this.#shardProblem : messageOf(failed.reason);
    // Of what could be read, whatever became of the rest: it is not new a second time.
    if (parts.some((part) => part.status === 'fulfilled' && part.value)) this.#tell();
  }

  /** Whether it is another one than before. */
  async #readTable(): Promise<boolean> {
    const [generations, ranges] = await Promise.all([
      this.#coordination.list('generation'),
      this.#coordination.list(rangePrefix),
    ]);
    if (latestOf(generations) > ranges.revision || latestOf(ranges) > generations.revision) {
      // One of them changed before the other was read: they may not belong together.
      this.#isTableDue = true;
      return false;
    }
    const [generation] = generations.entries;
    const seen = JSON.stringify([generation?.value, ranges.entries.map(({ value }) => value)]);
    if (seen === this.#seenTable) return false;
    if (generation !== undefined) this.#table = tableOf(ranges, generation.value);
    this.#seenTable = seen;
    return true;
  }

  /** Whether one of them is elsewhere. */
  async #readShards(): Promise<boolean> {
    const startedMs = performance.now();
    const isNew = this.#takeShards(await this.#coordination.list(shardPrefix));
    this.#shardsRestMs = Math.min((performance.now() - startedMs) / shardsReadShare, shardsRestMsMax);
    return isNew;
  }

  /** Whether one of them is elsewhere. A shard that cannot be read is left out, and keeps nobody from the table. */
  #takeShards({ entries }: Snapshot): boolean {
    const shards = new Map<string, ShardInfo>();
    this.#shardProblem = undefined;
    for (const { key, value } of entries) {
      try {
        const info = parseShardInfo(value);
        shards.set(info.id, info);
      } catch (error) {
        this.#shardProblem = `${key}: ${messageOf(error)}`;
      }
    }
    this.#shards = shards;
    this.#shardsReadAtMs = performance.now();
    const places = JSON.stringify(
      [...shards.values()].map(({ id, instance, address, zone }) => [id, instance, address, zone]),
    );
    if (places === this.#seenPlaces) return false;
    this.#seenPlaces = places;
    return true;
  }

  #tell(): void {
    const { resolve } = this.#next;
    this.#next = Promise.withResolvers<void>();
    for (const listener of this.#listeners) listener();
    resolve();
  }
}

/** The revision of the last change that is in it. */
function latestOf({ entries }: Snapshot): number {
  return entries.reduce((latest, { modRevision }) => Math.max(latest, modRevision), 0);
}

function tableOf({ entries }: Snapshot, generation: string): RoutingTable {
  return RoutingTable.of(
    entries.map(({ value }) => parseRange(value)),
    Number(generation),
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
