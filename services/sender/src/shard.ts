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
import { formatRefusedClaim, refusedClaimPrefix } from '@chappe/ranges/refused-claim';
import { formatShardInfo, shardPrefix, type RangeLoad, type ShardInfo } from '@chappe/ranges/shard-info';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { claimRange } from './fence.ts';
import { capacity, handOverLookMs, leaseTtlMs, problemCharactersMax, reportIntervalMs, retryMs } from './limits.ts';
import { RangeWorker, type RangeWorkerDependencies, type WorkerEnd } from './range-worker.ts';
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

interface Alarm {
  readonly epoch: number;
  readonly reason: string;
  readonly nextOffset: number;
}

export class Shard implements AsyncDisposable {
  readonly #options: ShardOptions;
  readonly #workers = new Map<string, RangeWorker>();
  /** Ranges that stopped with an alarm: a person must look, and they stay as they are under this epoch. */
  readonly #alarms = new Map<string, Alarm>();
  /** Ranges that could not be taken, and why; tried again. */
  readonly #untaken = new Map<string, string>();
  readonly #rates = new Map<string, { readonly nextOffset: number; readonly atMs: number; readonly rate: number }>();
  /** By range: the contact up to which due ones were ticked. */
  readonly #tickedTo = new Map<string, string>();
  readonly #stopping = new AbortController();
  readonly #tableChange: Disposable;
  #lease: Lease | undefined;
  #isLeaving = false;
  #problem: string | undefined = 'not registered yet';
  #wake = Promise.withResolvers<void>();
  /** Resolved when what the shard has to say does not wait for the next report. */
  #report = Promise.withResolvers<void>();
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
    for (const [id, worker] of this.#workers)
      if (worker.problem !== undefined) problems[`range ${id}`] = worker.problem;
    for (const [id, reason] of this.#untaken) problems[`range ${id}`] = `not taken yet: ${reason}`;
    for (const [id, { reason }] of this.#alarms) problems[`range ${id}`] = `stopped: ${reason}`;
    return problems;
  }

  /** Hands its ranges over if somebody can take them, finishes the turns in hand and gives everything up. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handOver();
    this.#stopping.abort();
    this.#report.resolve();
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
      const heldBefore = [...this.#workers.keys()].join(' ');
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
      if ([...this.#workers.keys()].join(' ') !== heldBefore) this.#report.resolve();
      if (settled) await woken;
      else await Promise.race([woken, sleep(retryMs.longest / 4, undefined, { ref: false })]);
      this.#wake = Promise.withResolvers<void>();
    }
  }

  async #register(): Promise<void> {
    if (this.#lease !== undefined && !this.#lease.lost.aborted) return;
    const { coordination, id } = this.#options;
    const lease = await coordination.grantLease(leaseTtlMs);
    try {
      await coordination.transact(
        [],
        [{ kind: 'put', key: shardPrefix + id, value: formatShardInfo(this.#info()), lease }],
      );
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    lease.lost.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    this.#lease = lease;
  }

  /** Whether everything is as the table says. */
  async #reconcile(): Promise<boolean> {
    const mine = new Map(this.#given().map((range) => [range.id, range]));
    const gone = [...this.#workers.values()].filter((worker) => mine.get(worker.range.id)?.epoch !== worker.epoch);
    await Promise.all(gone.map((worker) => worker.stop()));
    for (const [rangeId, { epoch }] of this.#alarms) {
      if (mine.get(rangeId)?.epoch !== epoch) this.#alarms.delete(rangeId);
    }
    const fresh = [...mine.values()].filter((range) => !this.#workers.has(range.id) && !this.#alarms.has(range.id));
    for (const rangeId of this.#untaken.keys()) if (!mine.has(rangeId)) this.#untaken.delete(rangeId);
    const taken = await Promise.all(fresh.map((range) => this.#tryToTake(range)));
    return taken.every(Boolean);
  }

  /** The ranges that the table gives to this process. */
  #given(): Range[] {
    const { table, id, instance } = this.#options;
    const ranges = table.current()?.ranges ?? [];
    return ranges.filter((range) => range.owner === id && range.ownerInstance === instance && isAppendable(range));
  }

  /** What keeps one range from being taken keeps the others from nothing, and is said once. */
  async #tryToTake(range: Range): Promise<boolean> {
    try {
      const isTaken = await this.#take(range);
      this.#untaken.delete(range.id);
      return isTaken;
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      if (this.#untaken.get(range.id) !== reason)
        this.#options.worker.events.shardProblem(`range ${range.id} could not be taken, it is tried again`, error);
      this.#untaken.set(range.id, reason);
      return false;
    }
  }

  async #take(range: Range): Promise<boolean> {
    const { instance, coordination, worker: dependencies } = this.#options;
    const { store, log, events } = dependencies;
    const claim = await claimRange(store, range, range.epoch, instance);
    if (claim.kind === 'refused') {
      events.claimRefused(range.id, range.epoch, claim.epoch);
      const value = formatRefusedClaim({ claimedEpoch: range.epoch, rowEpoch: claim.epoch });
      await coordination.transact([], [{ kind: 'put', key: refusedClaimPrefix + range.id, value }]);
      return false;
    }
    if (claim.kind === 'drained') return true;
    const { progress } = claim;
    const tail = await lostTail(dependencies, range, progress);
    if (tail !== undefined) {
      this.#workerEnded(range, { kind: 'alarm', reason: tail }, progress.nextOffset);
      return true;
    }
    const reader = await log.openReader(range.topic, progress.nextOffset, `${range.id}-${range.epoch}`);
    const worker = new RangeWorker(range, progress, dependencies);
    this.#workers.set(range.id, worker);
    events.workerStarted(range.id, range.epoch, progress.nextOffset);
    void worker.run(reader).then(async (end) => {
      this.#workers.delete(range.id);
      this.#workerEnded(range, end, worker.nextOffset);
      if (end.kind === 'failed') {
        await sleep(retryMs.longest, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
      this.#wake.resolve();
    });
    return true;
  }

  #workerEnded(range: Range, end: WorkerEnd, nextOffset: number): void {
    this.#options.worker.events.workerEnded(range.id, end);
    if (end.kind === 'alarm') this.#alarms.set(range.id, { epoch: range.epoch, reason: end.reason, nextOffset });
  }

  async #reportLoop(): Promise<void> {
    const { signal } = this.#stopping;
    const { coordination, id } = this.#options;
    let last = '';
    while (!signal.aborted) {
      await Promise.race([sleep(reportIntervalMs, undefined, { ref: false }), this.#report.promise]);
      this.#report = Promise.withResolvers<void>();
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
        const { id } = worker.range;
        try {
          const by = { ...this.#options.worker, logNowMs: () => worker.nowMs() };
          const last = await tickDueContacts(by, worker.range, this.#tickedTo.get(id) ?? '');
          this.#tickedTo.set(id, last);
        } catch (error) {
          this.#options.worker.events.shardProblem('due contacts could not be ticked', error);
        }
      }
    }
  }

  #info(): ShardInfo {
    const { id, instance, address, zone } = this.#options;
    const load = this.#load();
    return {
      id,
      instance,
      address,
      zone,
      capacity,
      ranges: this.#workers.size,
      rate: Object.values(load).reduce((sum, { rate }) => sum + rate, 0),
      attachedDevices: this.attachedDevices,
      ...(this.#isLeaving ? { isLeaving: true } : {}),
      load,
    };
  }

  /** What it works on, and what it was given but does not get on with. */
  #load(): Record<string, RangeLoad> {
    const load: Record<string, RangeLoad> = {};
    const problem = this.#problem?.slice(0, problemCharactersMax);
    if (problem !== undefined) for (const { id } of this.#given()) load[id] = { rate: 0, problem };
    for (const [id, reason] of this.#untaken)
      load[id] = { rate: 0, problem: `not taken yet: ${reason}`.slice(0, problemCharactersMax) };
    for (const [id, { reason, nextOffset }] of this.#alarms)
      load[id] = { nextOffset, rate: 0, problem: `stopped: ${reason}`.slice(0, problemCharactersMax) };
    for (const worker of this.#workers.values()) {
      const { nextOffset } = worker;
      const own = worker.problem?.slice(0, problemCharactersMax);
      load[worker.range.id] = {
        nextOffset,
        rate: this.#rateOf(worker),
        ...(own === undefined ? {} : { problem: own }),
      };
    }
    return load;
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
