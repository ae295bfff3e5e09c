/** Coordination that counts what its user reads: what etcd has to send to a process. */
import type { Coordination } from '@chappe/coordination/coordination';

export interface Reads {
  lists: number;
  bytes: number;
}

/** @param reads is counted up */
export function countedCoordination(inner: Coordination, reads: Reads): Coordination {
  return {
    get: (key) => inner.get(key),
    list: async (prefix) => {
      const snapshot = await inner.list(prefix);
      reads.lists += 1;
      for (const { key, value } of snapshot.entries) reads.bytes += key.length + value.length;
      return snapshot;
    },
    transact: (compares, operations) => inner.transact(compares, operations),
    grantLease: (ttlMs) => inner.grantLease(ttlMs),
    watch: (prefix, onChange) => inner.watch(prefix, onChange),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}
