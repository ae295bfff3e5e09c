/** How ranges came to new owners after a fault, by what coordinator and senders logged. */
import type { LogLine } from './process-log.ts';
import { quantile } from './quantile.ts';

export interface Takeover {
  /** That have a new owner. */
  readonly ranges: number;
  /** From the fault until the new owner had claimed the range. */
  readonly takenP50Ms: number;
  readonly takenMaxMs: number;
  /** From the coordinator's word until then. */
  readonly claimP50Ms: number;
  readonly claimMaxMs: number;
}

/**
 * @param lines since the fault, in order
 * @param ranges their ids
 * @param faultAtMs of the system's clock
 */
export function takeoverOf(
  lines: readonly LogLine[],
  ranges: readonly string[],
  faultAtMs: number,
): Takeover | undefined {
  const taken: number[] = [];
  const claims: number[] = [];
  for (const id of ranges) {
    const own = lines.filter(({ range }) => range === id);
    const assigned = own.find(({ msg }) => msg === 'range assigned');
    const claimed = own.find(({ msg, timeMs }) => msg === 'range taken' && timeMs >= (assigned?.timeMs ?? Infinity));
    if (assigned === undefined || claimed === undefined) continue;
    taken.push(claimed.timeMs - faultAtMs);
    claims.push(claimed.timeMs - assigned.timeMs);
  }
  if (taken.length === 0) return undefined;
  return {
    ranges: taken.length,
    takenP50Ms: quantile(taken, 0.5),
    takenMaxMs: quantile(taken, 1),
    claimP50Ms: quantile(claims, 0.5),
    claimMaxMs: quantile(claims, 1),
  };
}
