/**
 * The port to coordination: a small, strongly consistent key-value map with leases,
 * compare-and-set transactions and watches, shaped as etcd's.
 *
 * Drivers: embedded (`embedded-coordination.ts`), later etcd. Every driver passes
 * `conformance.ts`. Keys are paths such as `ranges/r-1`; values are JSON text. Revisions are
 * integers that grow with every change of anything.
 */

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** The revision at which this key was created (anew, if it was deleted before). */
  readonly createRevision: number;
  /** The revision of its last change. */
  readonly modRevision: number;
}

export type Compare =
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly modRevision: number }
  /** True while there is no such key. */
  | { readonly key: string; readonly absent: true };

export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: Lease }
  | { readonly kind: 'delete'; readonly key: string };

export interface Snapshot {
  /** Ordered by key. */
  readonly entries: readonly KeyValue[];
  readonly revision: number;
}

/** A promise to be alive: keys put under it vanish when it is not kept. */
export interface Lease extends AsyncDisposable {
  readonly ttlMs: number;
  /**
   * Aborted when the lease is known or must be assumed to be lost. A hint: etcd3 says so only
   * after twice the TTL; correctness rests on the fence row, never on this. Its holder's own
   * disposal does not abort it.
   */
  readonly lost: AbortSignal;
  /** When the last renewal was confirmed, on this process's monotonic clock. */
  readonly confirmedAtMs: () => number;
  /** Disposing revokes it: its keys vanish at once. */
}

export type CoordinationErrorKind =
  /** The map cannot be reached; a transaction may have happened or not. */
  | 'unavailable'
  /** The lease is gone, by its loss or by its disposal: take a new one. */
  | 'lease_lost'
  /** The request breaks a limit of the port: a bug. */
  | 'invalid';

export class CoordinationError extends Error {
  readonly kind: CoordinationErrorKind;

  constructor(kind: CoordinationErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CoordinationError';
    this.kind = kind;
  }
}

/** All methods throw `CoordinationError` `unavailable` when the map cannot be reached. */
export interface Coordination extends AsyncDisposable {
  get(key: string): Promise<KeyValue | undefined>;
  list(prefix: string): Promise<Snapshot>;
  /**
   * All operations, if all comparisons hold; else nothing. At most 128 of each, and each key
   * changed once. All changes of one transaction have one revision; the revision returned is
   * the map's after it. A key that is not there compares as revision 0.
   *
   * @throws CoordinationError `lease_lost` if a put names a lease that is gone; `invalid`.
   */
  transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
  ): Promise<{ succeeded: boolean; revision: number }>;
  /** @throws CoordinationError `invalid` if `ttlMs` is below 1,000. */
  grantLease(ttlMs: number): Promise<Lease>;
  /**
   * Calls `onChange` after changes under a prefix: at least once after the last one, perhaps
   * once for many. It carries nothing: the caller reads the state as it is. Survives outages.
   */
  watch(prefix: string, onChange: () => void): Disposable;
}
