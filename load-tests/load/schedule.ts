/**
 * When each message of an open-loop run is meant to leave. The schedule knows nothing of the system under
 * test: a message that leaves late, for whatever reason, is measured from when it should have left.
 */

export interface Schedule {
  readonly count: number;
  /** Milliseconds after the start at which message `no` (from 0) is due; never falls. */
  readonly dueMs: (no: number) => number;
}

/** So many a second, evenly. */
export function steadily(perSecond: number, seconds: number): Schedule {
  return { count: Math.round(perSecond * seconds), dueMs: (no) => (no * 1_000) / perSecond };
}

/** So many at once, then so many a second, evenly. */
export function behindCampaign(campaign: number, perSecond: number, seconds: number): Schedule {
  const few = steadily(perSecond, seconds);
  return { count: campaign + few.count, dueMs: (no) => (no < campaign ? 0 : few.dueMs(no - campaign)) };
}

/** At the start of each period as many at once as `perSecond` makes in it. */
export function inBursts(perSecond: number, seconds: number, periodSeconds: number): Schedule {
  const size = Math.max(1, Math.round(perSecond * periodSeconds));
  const bursts = Math.max(1, Math.floor(seconds / periodSeconds));
  return { count: size * bursts, dueMs: (no) => Math.floor(no / size) * periodSeconds * 1_000 };
}
