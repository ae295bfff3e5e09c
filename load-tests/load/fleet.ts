/** What a fleet's process is asked. Its notes: see fleet-process.ts. */
import type { Plan } from './plan.ts';

export type FleetRequest =
  /** Everybody whose place is `part` modulo `parts` belongs to it. `businessNumbers`: digits. */
  | {
      readonly kind: 'start';
      readonly address: string;
      readonly codesFile: string;
      readonly part: number;
      readonly parts: number;
      readonly businessNumbers: readonly string[];
    }
  /** Registers and connects its people of so many places from one on. Resolves when all are connected. */
  | { readonly kind: 'register'; readonly from: number; readonly count: number; readonly preKeyCount: number }
  /** Its share of the replies of a plan. Resolves with `Driven` when everything is handed over and confirmed. */
  | { readonly kind: 'reply'; readonly plan: Plan; readonly firstMessage: number; readonly startMs: number };
