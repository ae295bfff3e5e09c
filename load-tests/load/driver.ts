/** What the driver's process is asked and answers. Its notes: see driver-process.ts. */
import type { Plan } from './plan.ts';

export type DriverRequest =
  /** Opens a client for each business and makes the templates. */
  | { readonly kind: 'start'; readonly address: string; readonly apiKeys: readonly string[] }
  /** Opt-ins of everybody from a place on, to every business. */
  | { readonly kind: 'optIn'; readonly from: number; readonly count: number }
  /** Resolves with `Driven` when everything is handed over and answered. */
  | { readonly kind: 'drive'; readonly plan: Plan; readonly firstMessage: number };

export interface Driven {
  /** On the monotonic clock of the machine. */
  readonly startMs: number;
  /** When the last message was handed over. */
  readonly handedOverMs: number;
  readonly lateness: Lateness;
}

/** By how much messages were handed over after they were due. */
export interface Lateness {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}
