/**
 * The etcd driver of coordination, for clusters.
 *
 * All keys of a cluster are under one prefix: `<prefix>/keys/<key>`, and `<prefix>/cluster`, which
 * names the cluster that they belong to. Reads are linearizable. A read that fails is tried at
 * another member; a transaction that was sent never, because it may have happened: its caller reads and decides.
 */
import type { ICompare, IKeyValue, IRequestOp } from 'etcd3';
import type { Compare, Coordination, KeyValue, Lease, Operation, Snapshot } from './coordination.ts';
import { CoordinationError } from './coordination.ts';
import type { EtcdConnectionOptions } from './etcd-endpoints.ts';
import { EtcdEndpoints } from './etcd-endpoints.ts';
import { checkEtcd } from './etcd-identity.ts';
import { EtcdLease } from './etcd-lease.ts';
import { EtcdWatch } from './etcd-watch.ts';
import { leaseTtlMinMs, transactionItemsMax } from './limits.ts';

export interface EtcdCoordinationOptions extends EtcdConnectionOptions {
  /** Such as `/chappe`; each cluster has its own. */
  readonly prefix: string;
  /** The name or id of the cluster, the same in all its processes and in no other cluster. */
  readonly clusterId: string;
}

/**
 * @throws CoordinationError `unavailable`: no member answers, or it refuses the user; `invalid`: the
 *   prefix belongs to another cluster, or the server is too old.
 */
export async function openEtcdCoordination(options: EtcdCoordinationOptions): Promise<Coordination> {
  if (!/^(\/[\w.-]+)+$/.test(options.prefix)) {
    throw new CoordinationError('invalid', `etcd: the prefix ${options.prefix} is not like /chappe`);
  }
  if (options.clusterId === '') throw new CoordinationError('invalid', 'etcd: the cluster has no name');
  const endpoints = new EtcdEndpoints(options);
  try {
    await checkEtcd(endpoints, Buffer.from(`${options.prefix}/cluster`), options.clusterId);
    const coordination = new EtcdCoordination(endpoints, `${options.prefix}/keys/`);
    await coordination.start();
    return coordination;
  } catch (error) {
    endpoints[Symbol.dispose]();
    throw error;
  }
}

interface Watcher {
  readonly prefix: Buffer;
  readonly onChange: () => void;
  scheduled: boolean;
}

class EtcdCoordination implements Coordination {
  readonly #endpoints: EtcdEndpoints;
  readonly #prefix: string;
  readonly #watch: EtcdWatch;
  readonly #watchers = new Set<Watcher>();
  readonly #leases = new Set<EtcdLease>();
  #closed = false;

  constructor(endpoints: EtcdEndpoints, prefix: string) {
    this.#endpoints = endpoints;
    this.#prefix = prefix;
    this.#watch = new EtcdWatch({ endpoints, ...rangeOf(prefix), onChange: (keys) => this.#notify(keys) });
  }

  start(): Promise<void> {
    return this.#watch.start();
  }

  async get(key: string): Promise<KeyValue | undefined> {
    const { kvs } = await this.#endpoints.repeat((client, options) =>
      client.kv.range({ key: this.#keyOf(key) }, options),
    );
    return kvs[0] && this.#entryOf(kvs[0]);
  }

  async list(prefix: string): Promise<Snapshot> {
    const { start, end } = rangeOf(this.#prefix + prefix);
    const { kvs, header } = await this.#endpoints.repeat((client, options) =>
      client.kv.range({ key: start, range_end: end }, options),
    );
    return { entries: kvs.map((kv) => this.#entryOf(kv)), revision: Number(header.revision) };
  }

  async transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
  ): Promise<{ succeeded: boolean; revision: number }> {
    refuseIfMalformed(compares, operations);
    const request = {
      compare: compares.map((compare) => this.#compareOf(compare)),
      success: operations.map((operation) => this.#requestOf(operation)),
    };
    const { succeeded, header } = await this.#endpoints.onceSent((client, options) => client.kv.txn(request, options));
    return { succeeded, revision: Number(header.revision) };
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    if (!(ttlMs >= leaseTtlMinMs)) throw new CoordinationError('invalid', `a lease lasts at least ${leaseTtlMinMs} ms`);
    const lease = await EtcdLease.grant(this.#endpoints, ttlMs, (ended) => this.#leases.delete(ended));
    this.#leases.add(lease);
    if (this.#closed) lease.lose();
    return lease;
  }

  watch(prefix: string, onChange: () => void): Disposable {
    const watcher = { prefix: this.#keyOf(prefix), onChange, scheduled: false };
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => this.#watchers.delete(watcher) };
  }

  /** Leases that are still held end with their time: whoever wants their keys gone disposes them first. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchers.clear();
    for (const lease of this.#leases) lease.lose();
    await this.#watch[Symbol.asyncDispose]();
    this.#endpoints[Symbol.dispose]();
  }

  #keyOf(key: string): Buffer {
    return Buffer.from(this.#prefix + key);
  }

  #entryOf(kv: IKeyValue): KeyValue {
    return {
      key: kv.key.toString().slice(this.#prefix.length),
      value: kv.value.toString(),
      createRevision: Number(kv.create_revision),
      modRevision: Number(kv.mod_revision),
    };
  }

  #compareOf(compare: Compare): ICompare {
    const key = this.#keyOf(compare.key);
    if ('modRevision' in compare) return { key, target: 'Mod', result: 'Equal', mod_revision: compare.modRevision };
    const createRevision = 'absent' in compare ? 0 : compare.createRevision;
    return { key, target: 'Create', result: 'Equal', create_revision: createRevision };
  }

  #requestOf(operation: Operation): IRequestOp {
    const key = this.#keyOf(operation.key);
    if (operation.kind === 'delete') return { request_delete_range: { key } };
    const value = Buffer.from(operation.value);
    if (operation.lease === undefined) return { request_put: { key, value } };
    return { request_put: { key, value, lease: this.#expectAlive(operation.lease).id } };
  }

  #expectAlive(lease: Lease): EtcdLease {
    if (lease instanceof EtcdLease && this.#leases.has(lease)) return lease;
    throw new CoordinationError('lease_lost', 'the lease was revoked or lost: take a new one');
  }

  /** Never from within the stream's event: a watcher that throws must not end the watch. */
  #notify(keys: readonly Buffer[] | 'any'): void {
    for (const watcher of this.#watchers) {
      const isMeant = keys === 'any' || keys.some((key) => startsWith(key, watcher.prefix));
      if (watcher.scheduled || !isMeant) continue;
      watcher.scheduled = true;
      setImmediate(() => {
        watcher.scheduled = false;
        if (this.#watchers.has(watcher)) watcher.onChange();
      });
    }
  }
}

function refuseIfMalformed(compares: readonly Compare[], operations: readonly Operation[]): void {
  if (compares.length > transactionItemsMax || operations.length > transactionItemsMax) {
    throw new CoordinationError(
      'invalid',
      `a transaction has at most ${transactionItemsMax} comparisons and operations`,
    );
  }
  if (new Set(operations.map(({ key }) => key)).size < operations.length) {
    throw new CoordinationError('invalid', 'a transaction changes each key once');
  }
}

/** All keys that begin with `prefix`: up to the same text with its last byte one higher. */
function rangeOf(prefix: string): { readonly start: Buffer; readonly end: Buffer } {
  const start = Buffer.from(prefix);
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  // UTF-8 has no byte 0xff.
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return { start, end };
}

function startsWith(key: Buffer, prefix: Buffer): boolean {
  return key.length >= prefix.length && key.compare(prefix, 0, prefix.length, 0, prefix.length) === 0;
}
