/**
 * Coordination as a process reaches it over the simulated network: the embedded driver does the work on the other
 * side, and its leases have an end there, as etcd's have. The holder renews them as `etcd-lease.ts` does.
 */
import { CoordinationError, type Coordination, type Lease, type Operation } from '@chappe/coordination/coordination';
import type { EmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { Unanswered, type Network } from './network.ts';
import type { Life } from './virtual-time.ts';

const timeoutMs = 3_000;
const renewalsPerTtl = 3;
const retryMs = 200;
/** A watch that could not be delivered is delivered so often again, until it is. */
const watchRetryMs = 500;

export class CoordinationServer {
  readonly life: Life;
  readonly coordination: EmbeddedCoordination;
  readonly #leases = new Map<number, { readonly lease: Lease; timer: NodeJS.Timeout }>();
  #lastId = 0;

  constructor(life: Life, coordination: EmbeddedCoordination) {
    this.life = life;
    this.coordination = coordination;
  }

  async grant(ttlMs: number): Promise<number> {
    const lease = await this.coordination.grantLease(ttlMs);
    this.#lastId += 1;
    const id = this.#lastId;
    this.#leases.set(id, { lease, timer: setTimeout(() => this.#expire(id), ttlMs) });
    return id;
  }

  /** False: it is gone. */
  renew(id: number): boolean {
    const held = this.#leases.get(id);
    if (held === undefined) return false;
    clearTimeout(held.timer);
    held.timer = setTimeout(() => this.#expire(id), held.lease.ttlMs);
    return true;
  }

  async revoke(id: number): Promise<void> {
    const held = this.#leases.get(id);
    clearTimeout(held?.timer);
    this.#leases.delete(id);
    await held?.lease[Symbol.asyncDispose]();
  }

  /** @throws CoordinationError `lease_lost` */
  leaseOf(id: number): Lease {
    const held = this.#leases.get(id);
    if (held === undefined) throw new CoordinationError('lease_lost', 'the lease is gone');
    return held.lease;
  }

  #expire(id: number): void {
    const held = this.#leases.get(id);
    this.#leases.delete(id);
    if (held !== undefined) this.coordination.expireLease(held.lease);
  }
}

export function networkCoordination(network: Network, server: CoordinationServer, client: Life): Coordination {
  const ask = async <T>(name: string, work: () => Promise<T> | T): Promise<T> => {
    try {
      return await network.call(client, server.life, { name, timeoutMs }, work);
    } catch (error) {
      if (error instanceof Unanswered) throw new CoordinationError('unavailable', error.message);
      throw error;
    }
  };
  const { coordination } = server;
  return {
    get: (key) => ask('get', () => coordination.get(key)),
    list: (prefix) => ask(`list ${prefix}`, () => coordination.list(prefix)),
    transact: (compares, operations) =>
      ask('transact', () =>
        coordination.transact(
          compares,
          operations.map((operation) => onServer(server, operation)),
        ),
      ),
    grantLease: async (ttlMs) => {
      const sentAtMs = performance.now();
      const id = await ask('grant', () => server.grant(ttlMs));
      return new NetworkLease(ttlMs, sentAtMs, {
        renew: () => ask('renew', () => server.renew(id)),
        revoke: () => ask('revoke', () => server.revoke(id)),
        id,
      });
    },
    watch: (prefix, onChange) => watch(network, server, client, prefix, onChange),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function onServer(server: CoordinationServer, operation: Operation): Operation {
  if (operation.kind === 'delete' || operation.lease === undefined) return operation;
  if (!(operation.lease instanceof NetworkLease)) throw new CoordinationError('invalid', 'a lease of another map');
  return { ...operation, lease: server.leaseOf(operation.lease.id) };
}

/** Survives every outage: what changed meanwhile is told afterwards, once. */
function watch(
  network: Network,
  server: CoordinationServer,
  client: Life,
  prefix: string,
  onChange: () => void,
): Disposable {
  const { time } = network;
  let [isDue, isWatching] = [false, true];
  const deliver = (): void => {
    if (!isWatching) return;
    if (network.isCut(server.life, client)) {
      time.after(watchRetryMs, server.life, deliver);
      return;
    }
    isDue = false;
    time.after(network.transitMs(`watch of ${client.name}`), client, () => {
      if (isWatching) onChange();
    });
  };
  const own = time.enter(server.life, () =>
    server.coordination.watch(prefix, () => {
      if (isDue) return;
      isDue = true;
      deliver();
    }),
  );
  const end = (): void => {
    isWatching = false;
    own[Symbol.dispose]();
  };
  client.onEnd(end);
  return { [Symbol.dispose]: end };
}

interface LeaseCalls {
  readonly id: number;
  /** False: it is gone. */
  readonly renew: () => Promise<boolean>;
  readonly revoke: () => Promise<void>;
}

class NetworkLease implements Lease {
  readonly ttlMs: number;
  readonly #calls: LeaseCalls;
  readonly #loss = new AbortController();
  #confirmedAtMs: number;
  #renewal: NodeJS.Timeout | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #hasEnded = false;

  constructor(ttlMs: number, sentAtMs: number, calls: LeaseCalls) {
    this.ttlMs = ttlMs;
    this.#confirmedAtMs = sentAtMs;
    this.#calls = calls;
    this.#arm();
    this.#renewAfter(ttlMs / renewalsPerTtl);
  }

  get id(): number {
    return this.#calls.id;
  }

  get lost(): AbortSignal {
    return this.#loss.signal;
  }

  readonly confirmedAtMs = (): number => this.#confirmedAtMs;

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#hasEnded) return;
    this.#end();
    await this.#calls.revoke().catch(() => undefined);
  }

  #end(): void {
    this.#hasEnded = true;
    clearTimeout(this.#renewal);
    clearTimeout(this.#expiry);
  }

  #lose(): void {
    if (this.#hasEnded) return;
    this.#end();
    this.#loss.abort();
  }

  #arm(): void {
    clearTimeout(this.#expiry);
    this.#expiry = setTimeout(() => this.#lose(), this.#confirmedAtMs + this.ttlMs - performance.now());
  }

  #renewAfter(ms: number): void {
    if (!this.#hasEnded) this.#renewal = setTimeout(() => void this.#renew(), ms);
  }

  async #renew(): Promise<void> {
    const sentAtMs = performance.now();
    try {
      const isAlive = await this.#calls.renew();
      if (this.#hasEnded) return;
      if (!isAlive || performance.now() - sentAtMs >= this.ttlMs) {
        this.#lose();
        return;
      }
      this.#confirmedAtMs = sentAtMs;
      this.#arm();
      this.#renewAfter(this.ttlMs / renewalsPerTtl);
    } catch {
      this.#renewAfter(retryMs);
    }
  }
}
