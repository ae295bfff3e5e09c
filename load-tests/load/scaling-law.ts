/**
 * What more shards give: Gunther's universal scalability law, C(N) = N / (1 + a (N - 1) + b N (N - 1)).
 * `a` is contention, what all of them wait for one after the other; `b` is coherence, what each owes to each other.
 */

export interface ScalingPoint {
  readonly shards: number;
  readonly perSecond: number;
}

export interface ScalingFit {
  readonly contention: number;
  readonly coherence: number;
}

/** T(N) / (N T(1)): 1 is what one would have for nothing. */
export function efficiencyOf({ shards, perSecond }: ScalingPoint, alone: ScalingPoint): number {
  return perSecond / (shards * (alone.perSecond / alone.shards));
}

/** Least squares of N/C - 1 over N - 1 and N (N - 1). Undefined: fewer than two points besides that of one shard. */
export function fitScaling(points: readonly ScalingPoint[]): ScalingFit | undefined {
  const alone = points.find(({ shards }) => shards === 1);
  const others = points.filter(({ shards }) => shards > 1);
  if (alone === undefined || others.length < 2) return undefined;
  let [xx, xz, zz, xy, zy] = [0, 0, 0, 0, 0];
  for (const { shards, perSecond } of others) {
    const x = shards - 1;
    const z = shards * (shards - 1);
    const y = (shards * alone.perSecond) / perSecond - 1;
    xx += x * x;
    xz += x * z;
    zz += z * z;
    xy += x * y;
    zy += z * y;
  }
  const determinant = xx * zz - xz * xz;
  return { contention: (xy * zz - zy * xz) / determinant, coherence: (zy * xx - xy * xz) / determinant };
}

/** What the law says of so many shards. */
export function lawAt({ contention, coherence }: ScalingFit, alone: ScalingPoint, shards: number): number {
  return (shards * alone.perSecond) / (1 + contention * (shards - 1) + coherence * shards * (shards - 1));
}
