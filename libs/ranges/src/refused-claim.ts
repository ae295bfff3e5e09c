/**
 * What a shard says under `claims/<range id>` when the store refused its claim: the row in the
 * store has a higher epoch than the routing table, or the same one by somebody else. The
 * coordinator goes on from the row's epoch (docs/protocols.md, section 2).
 */
export interface RefusedClaim {
  /** The epoch of the table, under which the shard claimed. */
  readonly claimedEpoch: number;
  /** The epoch that the row has. */
  readonly rowEpoch: number;
}

export const refusedClaimPrefix = 'claims/';

export function formatRefusedClaim(refused: RefusedClaim): string {
  return JSON.stringify(refused);
}

/** @throws Error naming the field that is wrong: what is in coordination was written by Chappe itself. */
export function parseRefusedClaim(json: string): RefusedClaim {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new Error('a refused claim is not an object');
  const { claimedEpoch, rowEpoch } = value as Partial<Record<keyof RefusedClaim, unknown>>;
  return { claimedEpoch: epochOf(claimedEpoch, 'claimedEpoch'), rowEpoch: epochOf(rowEpoch, 'rowEpoch') };
}

function epochOf(value: unknown, name: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Error(`a refused claim's ${name} is not a whole number`);
}
