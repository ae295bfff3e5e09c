/** What the driver's process is asked and answers. Its notes: see driver-process.ts. */
import type { Plan } from './plan.ts';

export type DriverRequest =
  /** Opens a client for each business and makes the templates. */
  | { readonly kind: 'start'; readonly address: string; readonly apiKeys: readonly string[] }
  /** Opt-ins of everybody from a place on, to every business. */
  | { readonly kind: 'optIn'; readonly from: number; readonly count: number }
  /** Resolves with `Driven` when everything is handed over and answered. */
  | { readonly kind: 'drive'; readonly plan: Plan; readonly firstMessage: number };
