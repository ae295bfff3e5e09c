/**
 * A lease of etcd, renewed three times in its life.
 *
 * It counts as lost as soon as a whole TTL has passed, on this process's monotonic clock, since the
 * last renewal that etcd confirmed was SENT: then etcd may have let it go. (The lease of `etcd3`
 * says so only after twice its TTL, by the wall clock.) etcd itself may keep it longer: TTLs are
 * whole seconds there, at least one and a half election time-outs, and start anew with each leader.
 */
import type { ILeaseKeepAliveResponse } from 'etcd3';
import type { Lease } from './coordination.ts';
import { CoordinationError } from './coordination.ts';
import type { EtcdEndpoints } from './etcd-endpoints.ts';
import { etcdRetryMs, renewalsPerTtl } from './limits.ts';

export class EtcdLease implements Lease {
  readonly ttlMs: number;
  /** etcd's own name of it, a decimal. */
  readonly id: string;
  readonly #endpoints: EtcdEndpoints;
  readonly #loss = new AbortController();
  readonly #onEnd: (lease: EtcdLease) => void;
  #confirmedAtMs: number;
  #renewal: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #ended = false;

  static async grant(endpoints: EtcdEndpoints, ttlMs: number, onEnd: (lease: EtcdLease) => void): Promise<EtcdLease> {
    return endpoints.repeat(async (client, options) => {
      const sentAtMs = performance.now();
      const { ID: id } = await client.leaseClient.leaseGrant({ TTL: Math.ceil(ttlMs / 1_000) }, options);
      return new EtcdLease(endpoints, { id, ttlMs, confirmedAtMs: sentAtMs, onEnd });
    });
  }

  private constructor(
    endpoints: EtcdEndpoints,
    granted: Pick<EtcdLease, 'id' | 'ttlMs'> & { confirmedAtMs: number; onEnd: (lease: EtcdLease) => void },
  ) {
    this.#endpoints = endpoints;
    this.id = granted.id;
    this.ttlMs = granted.ttlMs;
    this.#confirmedAtMs = granted.confirmedAtMs;
    this.#onEnd = granted.onEnd;
    this.#armExpiry();
    this.#renewAfter(this.ttlMs / renewalsPerTtl);
  }

  get lost(): AbortSignal {
    return this.#loss.signal;
  }

  readonly confirmedAtMs = (): number => this.#confirmedAtMs;

  /** Ends the renewals; its keys vanish when its time is over. */
  lose(): void {
    if (this.#ended) return;
    this.#end();
    this.#loss.abort();
  }

  /** If etcd cannot be reached, the keys vanish when the time of the lease is over. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return;
    this.#end();
    try {
      await this.#endpoints.repeat((client, options) => client.leaseClient.leaseRevoke({ ID: this.id }, options));
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error;
    }
  }

  #end(): void {
    this.#ended = true;
    clearTimeout(this.#renewal);
    clearTimeout(this.#expiry);
    this.#onEnd(this);
  }

  #renewAfter(ms: number): void {
    if (this.#ended) return;
    this.#renewal = setTimeout(() => void this.#renew(), ms);
  }

  #armExpiry(): void {
    clearTimeout(this.#expiry);
    // Timers may fire a millisecond early.
    const leftMs = this.#confirmedAtMs + this.ttlMs - performance.now();
    this.#expiry = setTimeout(() => this.lose(), Math.ceil(leftMs) + 1);
  }

  async #renew(): Promise<void> {
    const sentAtMs = performance.now();
    try {
      const withinMs = this.ttlMs / renewalsPerTtl;
      const alive = await this.#endpoints.once((client, options) => keepAlive(client, this.id, options), withinMs);
      if (this.#ended) return;
      if (!alive) return this.lose();
      this.#confirmedAtMs = sentAtMs;
      // A stopped process may have slept through the end of the lease before it read the answer.
      if (performance.now() - sentAtMs >= this.ttlMs) return this.lose();
      this.#armExpiry();
      this.#renewAfter(withinMs);
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error;
      if (error.kind === 'lease_lost') return this.lose();
      this.#renewAfter(etcdRetryMs);
    }
  }
}

/** One renewal, on a stream of its own. False: etcd does not know the lease any more. */
async function keepAlive(
  client: ReturnType<EtcdEndpoints['current']>['client'],
  id: string,
  options: { readonly deadline: number },
): Promise<boolean> {
  const stream = await client.leaseClient.leaseKeepAlive(options);
  const answer = Promise.withResolvers<ILeaseKeepAliveResponse>();
  stream.on('data', answer.resolve);
  stream.on('error', answer.reject);
  stream.on('end', () => answer.reject(new Error('the stream of renewals ended')));
  stream.write({ ID: id });
  try {
    return (await answer.promise).TTL !== '0';
  } finally {
    stream.end();
  }
}
