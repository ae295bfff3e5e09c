/**
 * The fenced reader of event topics: every bucket is read by one live instance of a consumer, and
 * each frame counts once, whatever instances do.
 *
 * Leases in coordination (`consumers/<name>/<instance>`, `buckets/<name>/<n>`) say who should
 * read; the row in the store says whose reading counts. While coordination is away everything
 * goes on as it is, and nothing is taken or given up.
 */
import { CoordinationError, type Coordination, type Lease, type Snapshot } from '@chappe/coordination/coordination';
import type { Log } from '@chappe/log/log';
import type { EventFrame } from '@chappe/proto/internal/events';
import { migrate } from '@chappe/store/migrate';
import type { Store, Transaction } from '@chappe/store/store';
import type { Logger } from '@chappe/telemetry/telemetry';
import { BucketReader } from './bucket-reader.ts';
import { eventConsumerMigrations } from './event-progress.ts';
import { planShare } from './fair-share.ts';
import { backoffMaxMs, backoffMinMs, leaseTtlMs } from './limits.ts';

/** @typeParam Handled what a handler makes of frames, for when their transaction is committed */
export interface EventConsumerOptions<Handled> {
  /** The consumer's name, the same in all its instances: `billing`, `gateway`. */
  readonly name: string;
  /** How many buckets there are; the same everywhere and for ever. */
  readonly buckets: number;
  /** Made anew with every start of the process. */
  readonly instance: string;
  readonly coordination: Coordination;
  readonly log: Log;
  readonly store: Store;
  readonly logger: Logger;
  /**
   * Puts the effects of frames into the transaction that also moves the offset. Called again
   * with the same frames if that does not commit, so it changes nothing but through `tx`; it
   * awaits nothing but `tx`. Events repeat: it ignores ids that it knows.
   */
  readonly handle: (tx: Transaction, frames: EventFrame[]) => Promise<Handled>;
  /**
   * How long frames may gather between transactions when nothing more waits: fewer flushes to
   * disk where nobody waits for the effects. Absent: 0.
   */
  readonly gatherMs?: number;
  /** Told after the commit, in order, what `handle` made in that transaction. Must not throw. */
  readonly committed?: (handled: Handled) => void;
}

export interface EventConsumer extends AsyncDisposable {
  /** The buckets that this instance reads now. */
  held(): readonly number[];
  /** Frames of its buckets that wait, as far as it looked. */
  lag(): number;
  /** The append time of the oldest of those that was read; undefined: there is none. */
  oldestAppendTimeMs(): number | undefined;
  /** Why something waits; undefined while all is well. */
  problem(): string | undefined;
}

/** Starts at once and in the background; makes its table if it is not there. */
export function startEventConsumer<Handled>(options: EventConsumerOptions<Handled>): EventConsumer {
  return new Consumer(options);
}

class Consumer<Handled> implements EventConsumer {
  readonly #options: EventConsumerOptions<Handled>;
  readonly #readers = new Map<number, BucketReader<Handled>>();
  readonly #watches: readonly Disposable[];
  readonly #loop: Promise<void>;
  #stopping = false;
  #dirty = true;
  #wake: (() => void) | undefined;
  #migrated = false;
  #lease: Lease | undefined;
  #problem: string | undefined = 'starting';
  /** Why it cannot share the buckets with others now. */
  #trouble: string | undefined;

  constructor(options: EventConsumerOptions<Handled>) {
    this.#options = options;
    const { coordination, name } = options;
    this.#watches = [`consumers/${name}/`, `buckets/${name}/`].map((prefix) =>
      coordination.watch(prefix, () => this.#mark()),
    );
    this.#loop = this.#run();
  }

  held(): readonly number[] {
    return [...this.#readers.keys()].toSorted((a, b) => a - b);
  }

  lag(): number {
    return this.#readers.values().reduce((sum, reader) => sum + reader.lag(), 0);
  }

  oldestAppendTimeMs(): number | undefined {
    const times = [...this.#readers.values()].flatMap((reader) => reader.oldestAppendTimeMs() ?? []);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  problem(): string | undefined {
    if (this.#problem !== undefined) return this.#problem;
    for (const reader of this.#readers.values()) {
      const problem = reader.problem();
      if (problem !== undefined) return `bucket ${reader.bucket}: ${problem}`;
    }
    return undefined;
  }

  /** Stops reading, then frees its buckets at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#mark();
    for (const watch of this.#watches) watch[Symbol.dispose]();
    await this.#loop;
    await Promise.all(this.#readers.values().map((reader) => reader[Symbol.asyncDispose]()));
    this.#readers.clear();
    await this.#lease?.[Symbol.asyncDispose]();
  }

  #mark(): void {
    this.#dirty = true;
    this.#wake?.();
  }

  async #run(): Promise<void> {
    let backoffMs = backoffMinMs;
    while (!this.#stopping) {
      this.#dirty = false;
      try {
        if (!this.#migrated) {
          await migrate(this.#options.store, { service: 'event-consumer', directory: eventConsumerMigrations });
          this.#migrated = true;
        }
        await this.#reconcile();
        this.#problem = undefined;
        this.#trouble = undefined;
        backoffMs = backoffMinMs;
        await this.#marked(undefined);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        if (problem !== this.#trouble)
          this.#options.logger.warn({ event: 'buckets_stay', consumer: this.#options.name, err: error });
        this.#trouble = problem;
        // While coordination is away everything goes on as it is: nobody has to do without this instance.
        if (this.#problem !== undefined || !(error instanceof CoordinationError)) this.#problem = problem;
        await this.#marked(backoffMs);
        backoffMs = Math.min(backoffMs * 2, backoffMaxMs);
      }
    }
  }

  /** One step from what is there towards what should be; run again after every change. */
  async #reconcile(): Promise<void> {
    const { coordination, name, buckets, instance } = this.#options;
    const lease = await this.#liveLease();
    const instances = await coordination.list(`consumers/${name}/`);
    const leases = await coordination.list(`buckets/${name}/`);
    const leased = leasedBuckets(leases, name);
    for (const [bucket, reader] of this.#readers) {
      const holder = leased.get(bucket);
      // A key that only vanished is taken again below; the row decides meanwhile.
      if (holder !== undefined && holder !== instance) await this.#stop(reader);
    }
    const plan = planShare({
      buckets,
      me: instance,
      instances: instances.entries.map(({ key }) => key.slice(`consumers/${name}/`.length)),
      leased,
      reading: new Set(this.#readers.keys()),
    });
    for (const bucket of plan.give) {
      const reader = this.#readers.get(bucket);
      if (reader !== undefined) await this.#stop(reader);
      await this.#release(bucket, leases);
    }
    for (const bucket of plan.take) {
      const key = `buckets/${name}/${bucket}`;
      const put = { kind: 'put', key, value: JSON.stringify({ instance }), lease } as const;
      const { succeeded } = await coordination.transact([{ key, absent: true }], [put]);
      if (succeeded) leased.set(bucket, instance);
    }
    for (const [bucket, holder] of leased) {
      if (holder === instance && !plan.give.includes(bucket)) this.#start(bucket);
    }
    for (const [bucket, reader] of this.#readers) {
      if (leased.get(bucket) === undefined) await this.#stop(reader);
    }
  }

  async #liveLease(): Promise<Lease> {
    if (this.#lease !== undefined && !this.#lease.lost.aborted) return this.#lease;
    const { coordination, name, instance } = this.#options;
    const lease = await coordination.grantLease(leaseTtlMs);
    lease.lost.addEventListener('abort', () => this.#mark(), { once: true });
    const value = JSON.stringify({ instance });
    try {
      await coordination.transact([], [{ kind: 'put', key: `consumers/${name}/${instance}`, value, lease }]);
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    this.#lease = lease;
    return lease;
  }

  #start(bucket: number): void {
    if (this.#readers.has(bucket) || this.#stopping) return;
    const { name, instance, log, store, logger, handle, gatherMs = 0, committed } = this.#options;
    const reader = new BucketReader({ name, instance, bucket, log, store, logger, handle, gatherMs, committed });
    this.#readers.set(bucket, reader);
    logger.info({ event: 'bucket_taken', consumer: name, bucket });
    void reader.done.then((end) => {
      if (end === 'fenced') this.#fenced(reader);
    });
  }

  async #stop(reader: BucketReader<Handled>): Promise<void> {
    await reader[Symbol.asyncDispose]();
    this.#readers.delete(reader.bucket);
    this.#options.logger.info({ event: 'bucket_given_up', consumer: this.#options.name, bucket: reader.bucket });
  }

  async #release(bucket: number, leases: Snapshot): Promise<void> {
    const { coordination, name } = this.#options;
    const key = `buckets/${name}/${bucket}`;
    const held = leases.entries.find((entry) => entry.key === key);
    if (held === undefined) return;
    await coordination.transact([{ key, modRevision: held.modRevision }], [{ kind: 'delete', key }]);
  }

  /**
   * Another instance claimed the row, or the store lost what was committed. If the lease is (again) this
   * one's, it claims anew.
   */
  #fenced(reader: BucketReader<Handled>): void {
    if (this.#readers.get(reader.bucket) === reader) this.#readers.delete(reader.bucket);
    this.#options.logger.warn({ event: 'bucket_fenced', consumer: this.#options.name, bucket: reader.bucket });
    this.#mark();
  }

  /** Resolves when something changed, or after a while. */
  async #marked(waitMs: number | undefined): Promise<void> {
    if (this.#dirty || this.#stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = waitMs === undefined ? undefined : setTimeout(() => resolve(), waitMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }
}

function leasedBuckets({ entries }: Snapshot, name: string): Map<number, string> {
  return new Map(
    entries.map(({ key, value }) => {
      const holder: unknown = JSON.parse(value);
      const instance =
        typeof holder === 'object' && holder !== null && 'instance' in holder ? String(holder.instance) : '';
      return [Number(key.slice(`buckets/${name}/`.length)), instance];
    }),
  );
}
