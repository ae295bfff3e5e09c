/**
 * A shard: says that it is there, and works on the ranges that the routing table gives it.
 *
 * It registers `shards/<id>` under a lease and reports its load there. One loop compares the
 * table with the workers that run: it claims what is new, stops what is gone, starts again what
 * ended. Watches only wake the loop. A shard whose lease is lost goes on with what it has: the
 * fence row says whose work counts; it takes nothing new until it is registered again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordination, Lease } from '@chappe/coordination/coordination';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import { isAppendable, type Range } from '@chappe/ranges/range';
import { formatShardInfo, shardPrefix, type RangeLoad, type ShardInfo } from '@chappe/ranges/shard-info';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { claimRange } from './fence.ts';
import { capacity, handOverLookMs, leaseTtlMs, reportIntervalMs, retryMs } from './limits.ts';
import { RangeWorker, type RangeWorkerDependencies } from './range-worker.ts';
import { tickDueContacts } from './tick-due-contacts.ts';

export interface ShardOptions {
  readonly id: string;
  /** Made anew with every start of the process. */
  readonly instance: string;
  readonly zone: string;
  readonly address: string;
  readonly coordination: Coordination;
  readonly table: TableWatcher;
  readonly tickIntervalMs: number;
  /** How long it waits at its end until others have its ranges; 0: not at all. */
  readonly handOverMs: number;
  readonly worker: RangeWorkerDependencies;
}

export class Shard implements AsyncDisposable {
  readonly #options: ShardOptions;
  readonly #workers = new Map<string, RangeWorker>();
  readonly #rates = new Map<string, { readonly nextOffset: number; readonly atMs: number; readonly rate: number }>();
  readonly #stopping = new AbortController();
  readonly #tableChange: Disposable;
  /** Why ranges that are this shard's are not worked on, by range: a person must look. */
  readonly #stopped = new Map<string, string>();
  #lease: Lease | undefined;
  #isLeaving = false;
  #problem: string | undefined = 'not registered yet';
  #wake = Promise.withResolvers<void>();
  #loops: Promise<unknown> | undefined;

  constructor(options: ShardOptions) {
    this.#options = options;
    this.#tableChange = options.table.onChange(() => this.#wake.resolve());
  }

  start(): void {
    this.#loops = Promise.all([this.#reconcileLoop(), this.#reportLoop(), this.#tickLoop()]);
  }

  /** The worker of a contact's range, if it runs here. */
  workerOf(contact: PhoneNumber): RangeWorker | undefined {
    const range = this.#options.table.current()?.find(contact);
    return range === undefined ? undefined : this.#workers.get(range.id);
  }

  get workers(): ReadonlyMap<string, RangeWorker> {
    return this.#workers;
  }

  get attachedDevices(): number {
    return [...this.#workers.values()].reduce((sum, worker) => sum + worker.attachedDevices, 0);
  }

  /** Why the shard, or one of its ranges, does not get on. */
  notReady(): Record<string, string> {
    const problems: Record<string, string> = {};
    if (this.#problem !== undefined) problems['shard'] = this.#problem;
    for (const [id, reason] of this.#stopped) problems[`range ${id}`] = reason;
    for (const [id, worker] of this.#workers)
      if (worker.problem !== undefined) problems[`range ${id}`] = worker.problem;
    return problems;
  }

  /** Hands its ranges over if somebody can take them, finishes the turns in hand and gives everything up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handOver();
    this.#stopping.abort();
    this.#tableChange[Symbol.dispose]();
    this.#wake.resolve();
    await this.#loops;
    await Promise.all([...this.#workers.values()].map((worker) => worker.stop()));
    try {
      await this.#lease?.[Symbol.asyncDispose]();
    } catch (error) {
      this.#options.worker.events.shardProblem('the lease was not revoked, it will expire', error);
    }
  }

  /** Says that it leaves, and goes on working until the table has given every range to others. */
  async #handOver(): Promise<void> {
    const { coordination, table, id, handOverMs, worker } = this.#options;
    const others = [...table.shards().values()].filter((shard) => shard.id !== id && shard.isLeaving !== true);
    const lease = this.#lease;
    if (handOverMs === 0 || others.length === 0 || lease === undefined || lease.lost.aborted) return;
    this.#isLeaving = true;
    try {
      const value = formatShardInfo(this.#info());
      await coordination.transact([], [{ kind: 'put', key: shardPrefix + id, value, lease }]);
    } catch (error) {
      worker.events.shardProblem('it could not be said that the shard leaves', error);
      return;
    }
    const endMs = performance.now() + handOverMs;
    while (this.#workers.size > 0 && performance.now() < endMs) await sleep(handOverLookMs);
  }

  async #reconcileLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const woken = this.#wake.promise;
      let settled = true;
      try {
        await this.#register();
        settled = await this.#reconcile();
        this.#problem = undefined;
      } catch (error) {
        settled = false;
        this.#problem = error instanceof Error ? error.message : 'unknown';
        this.#options.worker.events.shardProblem('the shard could not be brought in line with the table', error);
      }
      if (settled) await woken;
      else await Promise.race([woken, sleep(retryMs.longest / 4, undefined, { ref: false })]);
      this.#wake = Promise.withResolvers<void>();
    }
  }

  async #register(): Promise<void> {
    if (this.#lease !== undefined && !this.#lease.lost.aborted) return;
    const { coordination, id } = this.#options;
    const lease = await coordination.grantLease(leaseTtlMs);
    await coordination.transact(
      [],
      [{ kind: 'put', key: shardPrefix + id, value: formatShardInfo(this.#info()), lease }],
    );
    lease.lost.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    this.#lease = lease;
  }

  /** Whether everything is as the table says. */
  async #reconcile(): Promise<boolean> {
    const { table, id, instance } = this.#options;
    const mine = new Map<string, Range>();
    for (const range of table.current()?.ranges ?? []) {
      if (range.owner === id && range.ownerInstance === instance && isAppendable(range)) mine.set(range.id, range);
    }
    const gone = [...this.#workers.values()].filter((worker) => mine.get(worker.range.id)?.epoch !== worker.epoch);
    await Promise.all(gone.map((worker) => worker.stop()));
    for (const rangeId of this.#stopped.keys()) if (!mine.has(rangeId)) this.#stopped.delete(rangeId);
    const fresh = [...mine.values()].filter((range) => !this.#workers.has(range.id));
    const taken = await Promise.all(fresh.map((range) => this.#take(range)));
    return taken.every(Boolean);
  }

  /** Opens the reader first and claims afterwards, so that the range is idle for as short as can be. */
  async #take(range: Range): Promise<boolean> {
    const { instance, worker: dependencies } = this.#options;
    const { store, log, events } = dependencies;
    const claim = await claimRange(store, range, range.epoch, instance);
    if (claim.kind === 'refused') {
      events.claimRefused(range.id, range.epoch, claim.epoch);
      return false;
    }
    if (claim.kind === 'drained') return true;
    const { progress } = claim;
    const tail = await lostTail(dependencies, range, progress);
    if (tail !== undefined) {
      // Tried again with every look at the table; said once.
      if (this.#stopped.get(range.id) !== tail) events.workerEnded(range.id, { kind: 'alarm', reason: tail });
      this.#stopped.set(range.id, tail);
      return false;
    }
    this.#stopped.delete(range.id);
    const reader = await log.openReader(range.topic, progress.nextOffset, `${range.id}-${range.epoch}`);
    const worker = new RangeWorker(range, progress, dependencies);
    this.#workers.set(range.id, worker);
    events.workerStarted(range.id, range.epoch, progress.nextOffset);
    void worker.run(reader).then(() => {
      this.#workers.delete(range.id);
      this.#wake.resolve();
    });
    return true;
  }

  async #reportLoop(): Promise<void> {
    const { signal } = this.#stopping;
    const { coordination, id } = this.#options;
    let last = '';
    while (!signal.aborted) {
      await sleep(reportIntervalMs, undefined, { signal, ref: false }).catch(() => undefined);
      const lease = this.#lease;
      if (signal.aborted || lease === undefined || lease.lost.aborted) continue;
      const value = formatShardInfo(this.#info());
      if (value === last) continue;
      try {
        await coordination.transact([], [{ kind: 'put', key: shardPrefix + id, value, lease }]);
        last = value;
      } catch (error) {
        this.#options.worker.events.shardProblem('the load could not be reported', error);
      }
    }
  }

  async #tickLoop(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(this.#options.tickIntervalMs, undefined, { signal, ref: false }).catch(() => undefined);
      for (const worker of this.#workers.values()) {
        if (signal.aborted) return;
        worker.forgetOldMessages();
        await tickDueContacts(this.#options.worker, worker.range).catch((error: unknown) => {
          this.#options.worker.events.shardProblem('due contacts could not be ticked', error);
        });
      }
    }
  }

  #info(): ShardInfo {
    const { id, instance, address, zone } = this.#options;
    const load: Record<string, RangeLoad> = {};
    let rate = 0;
    for (const worker of this.#workers.values()) {
      load[worker.range.id] = { nextOffset: worker.nextOffset, rate: this.#rateOf(worker) };
      rate += load[worker.range.id]?.rate ?? 0;
    }
    return {
      id,
      instance,
      address,
      zone,
      capacity,
      ranges: this.#workers.size,
      rate,
      attachedDevices: this.attachedDevices,
      ...(this.#isLeaving ? { isLeaving: true } : {}),
      load,
    };
  }

  /** Commands a second since the last report, rounded so that an idle shard reports nothing new. */
  #rateOf({ range, nextOffset }: RangeWorker): number {
    const nowMs = performance.now();
    const before = this.#rates.get(range.id);
    const rate =
      before === undefined ? 0 : Math.round(((nextOffset - before.nextOffset) / (nowMs - before.atMs)) * 1000);
    this.#rates.set(range.id, { nextOffset, atMs: nowMs, rate });
    return rate;
  }
}

/** Whether the record that the fence row remembers is not the one in the log: then its tail was lost. */
async function lostTail(
  { log }: RangeWorkerDependencies,
  range: Range,
  progress: { readonly lastOffset: number; readonly lastId: string; readonly nextOffset: number },
): Promise<string | undefined> {
  const end = await log.end(range.topic);
  if (end < progress.nextOffset) return `the log ends at ${end}, records up to ${progress.nextOffset} were done`;
  if (progress.lastOffset < 0) return undefined;
  const [record] = await log.readAt(range.topic, progress.lastOffset, 1);
  // Deleted after its restore margin: then nothing can be compared.
  if (record === undefined || record.headers.id === progress.lastId) return undefined;
  return `the record at ${progress.lastOffset} is not the one that was done: the log lost its tail and grew again`;
}
