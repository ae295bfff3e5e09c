/**
 * A shard: says that it is there, and works on the ranges that the routing table gives it.
 *
 * It registers `shards/<id>` under a lease and reports its load there. One loop compares the
 * table with the workers that run: it begins to take what is new, stops what is gone, starts again
 * what ended. It waits for none of them: a range that takes long keeps no other waiting. Watches only
 * wake the loop. A shard whose lease is lost goes on with what it has: the fence row says whose work
 * counts; it takes nothing new until it is registered again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Coordination, Lease } from '@chappe/coordination/coordination';
import { LogError } from '@chappe/log/log-error';
import type { LogReader } from '@chappe/log/log';
import { phoneNumberFromDigits, type PhoneNumber } from '@chappe/numbers/phone-number';
import { leftoverPrefix, parseLeftover } from '@chappe/ranges/leftover';
import type { Range } from '@chappe/ranges/range';
import { formatRefusedClaim, refusedClaimPrefix } from '@chappe/ranges/refused-claim';
import {
  formatShardInfo,
  parseShardInfo,
  shardPrefix,
  type RangeLoad,
  type ShardInfo,
} from '@chappe/ranges/shard-info';
import type { Stores } from '@chappe/ranges/stores';
import { parseToldZone, toldZonePrefix } from '@chappe/ranges/told-zone';
import type { TableWatcher } from '@chappe/ranges/table-watcher';
import { copyRange } from './copy-range.ts';
import { deleteLeftovers } from './delete-leftovers.ts';
import { refuseDeviceWork, type DeviceWork } from './device-work.ts';
import { claimRange, type Claim, type Progress } from './fence.ts';
import {
  cacheBytesMax,
  drainedLookMs,
  handOverLookMs,
  leaseTtlMs,
  pendingDeviceWorkMax,
  problemCharactersMax,
  readAheadBytesMax,
  readAheadBytesOfShardMax,
  reportIntervalMs,
  reportLatestMs,
  retakeMs,
  retryMs,
} from './limits.ts';
import { RangeWorker, type AlarmCause, type RangeWorkerDependencies, type WorkerEnd } from './range-worker.ts';
import { tickDueContacts } from './tick-due-contacts.ts';

export interface ShardOptions {
  readonly id: string;
  /** Made anew with every start of the process. */
  readonly instance: string;
  /** Empty: its environment does not tell it; the coordinator may. */
  readonly zone: string;
  /** Commands a second. */
  readonly capacity: number;
  readonly address: string;
  readonly coordination: Coordination;
  readonly table: TableWatcher;
  readonly stores: Stores;
  readonly tickIntervalMs: number;
  /** How long it waits at its end until others have its ranges; 0: not at all. */
  readonly handOverMs: number;
  /** Where a range's log ended when it was last looked at. Absent: nobody looks. */
  readonly endOf?: (rangeId: string) => number | undefined;
  readonly worker: Omit<RangeWorkerDependencies, 'cacheBytesMax' | 'readAheadBytesMax' | 'store'>;
}

interface Alarm {
  readonly epoch: number;
  readonly cause: AlarmCause;
  readonly reason: string;
  readonly nextOffset: number;
}

export class Shard implements AsyncDisposable {
  readonly #options: ShardOptions;
  readonly #workers = new Map<string, RangeWorker>();
  /** Ranges that stopped with an alarm: a person must look, and they stay as they are under this epoch. */
  readonly #alarms = new Map<string, Alarm>();
  /** Ranges that are being taken. */
  readonly #taking = new Map<string, Promise<void>>();
  /** What devices of those said meanwhile, for the worker that is about to start. */
  readonly #early = new Map<string, DeviceWork[]>();
  /** Ranges that wait until those that they replace are drained. */
  readonly #waiting = new Set<string>();
  /** Ranges whose rows are brought from another store, and how far that is. */
  readonly #copying = new Map<string, string>();
  /** Ranges that could not be taken, and why; tried again. */
  readonly #untaken = new Map<string, string>();
  readonly #rates = new Map<string, { readonly done: number; readonly atMs: number; readonly rate: number }>();
  /** By range: the contact up to which due ones were ticked. */
  readonly #tickedTo = new Map<string, string>();
  readonly #stopping = new AbortController();
  readonly #tableChange: Disposable;
  readonly #toldZoneChange: Disposable | undefined;
  #toldZone = '';
  #lease: Lease | undefined;
  #isLeaving = false;
  #problem: string | undefined = 'not registered yet';
  #wake = Promise.withResolvers<void>();
  /** Resolved when what the shard has to say does not wait for the next report. */
  #report = Promise.withResolvers<void>();
  /** Resolved when a range that is replaced was worked off here. */
  #drained = Promise.withResolvers<void>();
  #loops: Promise<unknown> | undefined;

  constructor(options: ShardOptions) {
    this.#options = options;
    this.#tableChange = options.table.onChange(() => this.#wake.resolve());
    if (options.zone === '') {
      const key = toldZonePrefix + options.id;
      this.#toldZoneChange = options.coordination.watch(key, () => this.#wake.resolve());
    }
  }

  start(): void {
    this.#loops = Promise.all([this.#reconcileLoop(), this.#reportLoop(), this.#tickLoop()]);
  }

  /** The worker of a contact's range, if it runs here: of the range that is replaced until the new one has begun. */
  workerOf(contact: PhoneNumber): RangeWorker | undefined {
    const table = this.#options.table.current();
    if (table === undefined) return undefined;
    return this.#workers.get(table.find(contact).id) ?? this.#workers.get(table.working(contact).id);
  }

  /** Hands what a device said to its range's worker, also to one that is about to start; else refuses it. */
  async takeDeviceWork(work: DeviceWork): Promise<void> {
    const contact = phoneNumberFromDigits(work.device.contact);
    const worker = this.workerOf(contact);
    const early = this.#early.get(this.#options.table.current()?.find(contact).id ?? '');
    if (worker !== undefined) await worker.takeDeviceWork(work);
    else if (early !== undefined && early.length < pendingDeviceWorkMax) early.push(work);
    else refuseDeviceWork(work);
  }

  get workers(): ReadonlyMap<string, RangeWorker> {
    return this.#workers;
  }

  get attachedDevices(): number {
    return [...this.#workers.values()].reduce((sum, worker) => sum + worker.attachedDevices, 0);
  }

  /** Of the oldest command that any of its workers has read and not done; undefined: there is none. */
  get oldestAppendTimeMs(): number | undefined {
    const times = [...this.#workers.values()].flatMap(({ oldestAppendTimeMs }) => oldestAppendTimeMs ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** Commands that its workers have read and not done. */
  get readAheadCommands(): number {
    return [...this.#workers.values()].reduce((sum, { readAhead }) => sum + readAhead, 0);
  }

  /** Businesses that have more than their share of a range, counted in each. */
  get businessesAboveShare(): number {
    return [...this.#workers.values()].reduce((sum, { aboveShare }) => sum + aboveShare.length, 0);
  }

  /** Ranges that do not get on by themselves and are not stopped: each of them is tried again. */
  get stuckRanges(): number {
    const problems = [...this.#workers.values()].filter(({ problem }) => problem !== undefined);
    return problems.length + this.#untaken.size;
  }

  /** Ranges that stopped until a person has looked. */
  stoppedRanges(cause: AlarmCause): number {
    return [...this.#alarms.values()].filter((alarm) => alarm.cause === cause).length;
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
    this.#toldZoneChange?.[Symbol.dispose]();
    this.#wake.resolve();
    await this.#loops;
    await Promise.all(this.#taking.values());
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
      try {
        await this.#learnZone();
        await this.#register();
        this.#reconcile();
        this.#problem = undefined;
        await woken;
      } catch (error) {
        this.#problem = error instanceof Error ? error.message : 'unknown';
        this.#options.worker.events.shardProblem('the shard could not be brought in line with the table', error);
        await Promise.race([woken, sleep(retakeMs, undefined, { ref: false })]);
      }
      this.#wake = Promise.withResolvers<void>();
    }
  }

  async #learnZone(): Promise<void> {
    const { coordination, id, zone } = this.#options;
    if (zone !== '') return;
    const told = await coordination.get(toldZonePrefix + id);
    const toldZone = told === undefined ? '' : parseToldZone(told.value);
    if (toldZone === this.#toldZone) return;
    this.#toldZone = toldZone;
    this.#report.resolve();
  }

  async #register(): Promise<void> {
    if (this.#lease !== undefined && !this.#lease.lost.aborted) return;
    const { coordination, id } = this.#options;
    const key = shardPrefix + id;
    const before = await coordination.get(key);
    if (before !== undefined) this.#refuseNameOf(parseShardInfo(before.value));
    const isAsRead = { key, modRevision: before?.modRevision ?? 0 };
    const lease = await coordination.grantLease(leaseTtlMs);
    try {
      const put = { kind: 'put', key, value: formatShardInfo(this.#info()), lease } as const;
      const { succeeded } = await coordination.transact([isAsRead], [put]);
      if (!succeeded) throw new Error(`another process registered as shard ${id} at the same moment`);
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    lease.lost.addEventListener('abort', () => this.#wake.resolve(), { once: true });
    this.#lease = lease;
  }

  /**
   * Under one name two processes would take the ranges from each other without end. One that died is gone with its lease; at
   * the same address it was this one's predecessor, and there is nothing to wait for.
   *
   * @throws Error
   */
  #refuseNameOf(other: ShardInfo): void {
    const { id, instance, address } = this.#options;
    if (other.instance === instance || other.address === address) return;
    const owns = 'a CHAPPE_SHARD_ID of its own, and another release a cluster.name of its own';
    throw new Error(`shard ${id} is another process, at ${other.address}: give each process ${owns}`);
  }

  /** Begins what makes everything as the table says. */
  #reconcile(): void {
    const mine = new Map(this.#given().map((range) => [range.id, range]));
    for (const worker of this.#workers.values()) {
      const range = mine.get(worker.range.id);
      if (range?.epoch !== worker.epoch) void worker.stop();
      else if (range.sealedAt !== undefined) worker.drain(range.sealedAt);
    }
    for (const [rangeId, { epoch }] of this.#alarms)
      if (mine.get(rangeId)?.epoch !== epoch) this.#alarms.delete(rangeId);
    for (const rangeId of this.#untaken.keys()) if (!mine.has(rangeId)) this.#untaken.delete(rangeId);
    for (const range of mine.values()) {
      if (this.#workers.has(range.id) || this.#alarms.has(range.id) || this.#taking.has(range.id)) continue;
      this.#early.set(range.id, []);
      this.#taking.set(range.id, this.#tryToTake(range));
    }
  }

  #isGiven({ id, epoch }: Range): boolean {
    return this.#given().some((range) => range.id === id && range.epoch === epoch);
  }

  /** The ranges that the table gives to this process. */
  #given(): Range[] {
    const { table, id, instance } = this.#options;
    const ranges = table.current()?.ranges ?? [];
    return ranges.filter((range) => range.owner === id && range.ownerInstance === instance && range.state !== 'sealed');
  }

  /** Why a range cannot be taken is said once. If it is not taken it is tried again, after a while. */
  async #tryToTake(range: Range): Promise<void> {
    const { signal } = this.#stopping;
    let isTaken = false;
    try {
      isTaken = await this.#take(range);
      this.#untaken.delete(range.id);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      if (this.#untaken.get(range.id) !== reason)
        this.#options.worker.events.shardProblem(`range ${range.id} could not be taken, it is tried again`, error);
      this.#untaken.set(range.id, reason);
    }
    this.#waiting.delete(range.id);
    this.#copying.delete(range.id);
    for (const work of this.#early.get(range.id) ?? []) refuseDeviceWork(work);
    this.#early.delete(range.id);
    if (!isTaken) await sleep(retakeMs, undefined, { signal, ref: false }).catch(() => undefined);
    this.#taking.delete(range.id);
    this.#wake.resolve();
  }

  async #take(range: Range): Promise<boolean> {
    const { coordination, stores, worker: dependencies } = this.#options;
    const { events } = dependencies;
    const store = stores.of(range.store);
    const claim = await this.#claim(range);
    if (claim === undefined) return false;
    if (claim.kind === 'refused') {
      events.claimRefused(range.id, range.epoch, claim.epoch);
      const value = formatRefusedClaim({ claimedEpoch: range.epoch, rowEpoch: claim.epoch });
      await coordination.transact([], [{ kind: 'put', key: refusedClaimPrefix + range.id, value }]);
      return false;
    }
    if (claim.kind === 'lost') {
      const reason = 'the store came back from before the range was made: restore it to a later moment';
      this.#workerEnded(range, { kind: 'alarm', cause: 'rolled_back', reason }, 0);
      return true;
    }
    // Until the table says so too.
    if (claim.kind !== 'claimed') return false;
    this.#waiting.delete(range.id);
    this.#copying.delete(range.id);
    const { progress } = claim;
    const reader = await this.#openReader(range, progress);
    if (reader === undefined) return true;
    const worker = new RangeWorker(range, progress, {
      ...dependencies,
      store,
      cacheBytesMax: () => cacheBytesMax / Math.max(1, this.#workers.size),
      readAheadBytesMax: () => Math.min(readAheadBytesMax, readAheadBytesOfShardMax / Math.max(1, this.#workers.size)),
    });
    for (const work of this.#early.get(range.id)?.splice(0) ?? []) void worker.takeDeviceWork(work);
    this.#workers.set(range.id, worker);
    if (range.sealedAt !== undefined) worker.drain(range.sealedAt);
    this.#report.resolve();
    events.workerStarted(range.id, range.epoch, progress.nextOffset);
    void worker.run(reader).then(async (end) => {
      this.#workers.delete(range.id);
      this.#report.resolve();
      if (end.kind === 'drained') {
        this.#drained.resolve();
        this.#drained = Promise.withResolvers<void>();
      }
      this.#workerEnded(range, end, worker.nextOffset);
      if (end.kind === 'failed') {
        await sleep(retryMs.longest, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
      this.#wake.resolve();
    });
    return true;
  }

  /** Claims it as soon as what it replaces is drained and its rows are in its store. Undefined: it is not to be taken now. */
  async #claim(range: Range): Promise<Claim | undefined> {
    const { instance, stores } = this.#options;
    const { signal } = this.#stopping;
    const store = stores.of(range.store);
    const source = range.copiesFrom === undefined ? undefined : stores.of(range.copiesFrom);
    for (;;) {
      const claim = await claimRange(store, range, range.epoch, instance, source);
      if (claim.kind !== 'waits' && claim.kind !== 'copies') return claim;
      this.#waiting.add(range.id);
      if (claim.kind === 'waits' || source === undefined) {
        await Promise.race([sleep(drainedLookMs, undefined, { ref: false }), this.#drained.promise]);
      } else {
        const end = await copyRange({
          store,
          source,
          range,
          claimed: claim.progress,
          signal,
          onPage: (table, rows) => this.#copying.set(range.id, `its rows are copied, ${rows} until now (${table})`),
        });
        if (end === 'waits') await sleep(retakeMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
      if (signal.aborted || !this.#isGiven(range)) return undefined;
    }
  }

  /** Undefined, and an alarm, if the log is not the one that the fence row remembers: its tail was lost. */
  async #openReader(range: Range, { nextOffset, lastOffset, lastId }: Progress): Promise<LogReader | undefined> {
    const last = lastOffset < 0 ? undefined : { offset: lastOffset, id: lastId };
    try {
      return await this.#options.worker.log.openReader(range.topic, nextOffset, last);
    } catch (error) {
      if (!(error instanceof LogError) || error.kind !== 'gap') throw error;
      this.#workerEnded(
        range,
        { kind: 'alarm', cause: 'log', reason: `records were done that are not there: ${error.message}` },
        nextOffset,
      );
      return undefined;
    }
  }

  #workerEnded(range: Range, end: WorkerEnd, nextOffset: number): void {
    this.#options.worker.events.workerEnded(range.id, end);
    if (end.kind === 'alarm')
      this.#alarms.set(range.id, { epoch: range.epoch, cause: end.cause, reason: end.reason, nextOffset });
  }

  async #reportLoop(): Promise<void> {
    const { signal } = this.#stopping;
    const { coordination, id } = this.#options;
    let [last, lastAtMs] = ['', 0];
    while (!signal.aborted) {
      await Promise.race([sleep(reportIntervalMs, undefined, { ref: false }), this.#report.promise]);
      this.#report = Promise.withResolvers<void>();
      const lease = this.#lease;
      if (signal.aborted || lease === undefined || lease.lost.aborted) continue;
      const value = formatShardInfo(this.#info());
      // Now and then also what is not new: its age says that the shard is heard of.
      if (value === last && performance.now() - lastAtMs < reportLatestMs) continue;
      try {
        await coordination.transact([], [{ kind: 'put', key: shardPrefix + id, value, lease }]);
        [last, lastAtMs] = [value, performance.now()];
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
        worker.forgetOldIds();
        const { id } = worker.range;
        try {
          const store = this.#options.stores.of(worker.range.store);
          const by = { ...this.#options.worker, store, logNowMs: () => worker.nowMs() };
          const last = await tickDueContacts(by, worker.range, this.#tickedTo.get(id) ?? '');
          this.#tickedTo.set(id, last);
        } catch (error) {
          this.#options.worker.events.shardProblem('due contacts could not be ticked', error);
        }
      }
      try {
        await this.#deleteLeftovers();
      } catch (error) {
        this.#options.worker.events.shardProblem('rows that were moved away could not be deleted', error);
      }
    }
  }

  /** One of the shards is enough; two, while they come and go, do no harm. */
  async #deleteLeftovers(): Promise<void> {
    const { coordination, stores, table, id } = this.#options;
    const staying = [...table.shards().values()].filter(({ isLeaving }) => isLeaving !== true);
    if (staying.some((other) => other.id < id)) return;
    for (const { key, value } of (await coordination.list(leftoverPrefix)).entries) {
      const { range, start, end, store } = parseLeftover(value);
      const isGone = await deleteLeftovers(stores.of(store), { id: range, start, end }, this.#stopping.signal);
      if (isGone) await coordination.transact([], [{ kind: 'delete', key }]);
    }
  }

  #info(): ShardInfo {
    const { id, instance, address, capacity } = this.#options;
    const zone = this.#options.zone || this.#toldZone;
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
    for (const id of this.#waiting) {
      const copying = this.#copying.get(id);
      const said = copying === undefined ? {} : { problem: copying };
      load[id] = { nextOffset: 0, rate: 0, waitsForReplaced: true, ...said };
    }
    for (const [id, reason] of this.#untaken)
      load[id] = { rate: 0, problem: `not taken yet: ${reason}`.slice(0, problemCharactersMax) };
    for (const [id, { reason, nextOffset }] of this.#alarms)
      load[id] = { nextOffset, rate: 0, problem: `stopped: ${reason}`.slice(0, problemCharactersMax), isStopped: true };
    for (const worker of this.#workers.values()) {
      const { nextOffset, doneBeyond, aboveShare, median } = worker;
      const own = worker.problem?.slice(0, problemCharactersMax);
      const end = this.#options.endOf?.(worker.range.id);
      load[worker.range.id] = {
        nextOffset,
        // Not said when it is there: an idle shard reports nothing new.
        ...(end === undefined || end <= nextOffset ? {} : { end }),
        rate: this.#rateOf(worker),
        ...(doneBeyond === 0 ? {} : { doneBeyond }),
        ...(aboveShare.length === 0 ? {} : { aboveShare }),
        ...(median === undefined ? {} : { median }),
        ...(own === undefined ? {} : { problem: own }),
      };
    }
    return load;
  }

  /** Commands a second since the last report, rounded so that an idle shard reports nothing new. */
  #rateOf({ range, done }: RangeWorker): number {
    const nowMs = performance.now();
    const before = this.#rates.get(range.id);
    const rate =
      before === undefined
        ? 0
        : Math.round(((Math.max(before.done, done) - before.done) / (nowMs - before.atMs)) * 1000);
    this.#rates.set(range.id, { done, atMs: nowMs, rate });
    return rate;
  }
}
