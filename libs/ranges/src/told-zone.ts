/**
 * `zones/<shard id>`: the zone of a shard whose own environment does not tell it, as the coordinator found it at the
 * node of the shard's pod. The shard takes it over into what it says of itself; nobody else reads it.
 */
export const toldZonePrefix = 'zones/';

export function formatToldZone(zone: string): string {
  return JSON.stringify({ zone });
}

/** @throws Error if it is none */
export function parseToldZone(json: string): string {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || !('zone' in value) || typeof value.zone !== 'string')
    throw new Error('a zone that a shard is told is not a text');
  return value.zone;
}
