/** What a fleet's process is asked. Its notes: see fleet-process.ts. */

export type FleetRequest =
  /** Everybody whose place is `part` modulo `parts` belongs to it. @param numbers of the businesses, digits */
  | {
      readonly kind: 'start';
      readonly address: string;
      readonly codesFile: string;
      readonly businessNumbers: readonly string[];
    }
  /** Registers and connects those of the places who are not yet. Resolves when all are connected. */
  | { readonly kind: 'register'; readonly places: readonly number[]; readonly preKeyCount: number };
