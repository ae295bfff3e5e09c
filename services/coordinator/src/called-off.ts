/** `scale-down`: until when no sender is taken away, because one did not get rid of its ranges. */
export const calledOffKey = 'scale-down';

export function formatCalledOff(untilMs: number, shard: string): string {
  return JSON.stringify({ calledOffUntilMs: untilMs, shard });
}

/** Milliseconds since 1970. @throws Error if it is none */
export function parseCalledOff(json: string): number {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || !('calledOffUntilMs' in value))
    throw new Error('a scale-down that was called off has no time');
  const { calledOffUntilMs } = value;
  if (typeof calledOffUntilMs !== 'number') throw new Error('a scale-down that was called off has no time');
  return calledOffUntilMs;
}
