/**
 * Leadership by a raw lease and a transaction: the key `leader`, created under the lease of the
 * one who leads. Every write of the leader compares this key at its creation revision, so that
 * what a former leader still has in hand counts for nothing.
 */
import type { Compare, Coordination, Lease } from '@chappe/coordination/coordination';
import { formatLeader, leaderKey } from '@chappe/ranges/leader';
import { leaseTtlMs } from './limits.ts';

export interface Leadership extends AsyncDisposable {
  /** To be compared by every write. */
  readonly compare: Compare;
  readonly lost: AbortSignal;
}

/** Leads, if nobody does; undefined: somebody else does. */
export async function tryToLead(coordination: Coordination, instance: string): Promise<Leadership | undefined> {
  if ((await coordination.get(leaderKey)) !== undefined) return undefined;
  const lease: Lease = await coordination.grantLease(leaseTtlMs);
  try {
    const { succeeded } = await coordination.transact(
      [{ key: leaderKey, absent: true }],
      [{ kind: 'put', key: leaderKey, value: formatLeader(instance), lease }],
    );
    const mine = succeeded ? await coordination.get(leaderKey) : undefined;
    if (mine !== undefined) {
      return {
        compare: { key: leaderKey, createRevision: mine.createRevision },
        lost: lease.lost,
        [Symbol.asyncDispose]: async () => lease[Symbol.asyncDispose](),
      };
    }
  } catch (error) {
    // The key may be there all the same: with its lease renewed, nobody would ever lead.
    await lease[Symbol.asyncDispose]();
    throw error;
  }
  await lease[Symbol.asyncDispose]();
  return undefined;
}
