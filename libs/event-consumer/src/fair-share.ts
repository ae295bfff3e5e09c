/** Who takes which bucket: pure, and the same answer in every instance. */

export interface SharePlan {
  /** Free buckets to take now. */
  readonly take: readonly number[];
  /** Buckets to give up. */
  readonly give: readonly number[];
}

export interface ShareFacts {
  readonly buckets: number;
  readonly me: string;
  /** Live instances; `me` counts whether listed or not. */
  readonly instances: readonly string[];
  /** Bucket -> the instance that leases it. */
  readonly leased: ReadonlyMap<number, string>;
  /** Buckets that this instance reads, leased or not: taken first, so that a lost lease moves nothing. */
  readonly reading: ReadonlySet<number>;
}

/**
 * The shares of all live instances add up to the number of buckets and differ by one at most;
 * who is first in order gets the larger ones. So a bucket given up is always below somebody's
 * share, and nobody gives up what nobody may take.
 */
export function planShare({ buckets, me, instances, leased, reading }: ShareFacts): SharePlan {
  const live = [...new Set([...instances, me])].toSorted();
  const larger = live.indexOf(me) < buckets % live.length ? 1 : 0;
  const share = Math.floor(buckets / live.length) + larger;
  const all = Array.from({ length: buckets }, (_, bucket) => bucket);
  const mine = all.filter((bucket) => leased.get(bucket) === me);
  const free = all
    .filter((bucket) => !leased.has(bucket))
    .toSorted((a, b) => Number(reading.has(b)) - Number(reading.has(a)));
  return { take: free.slice(0, Math.max(0, share - mine.length)), give: mine.slice(share) };
}
