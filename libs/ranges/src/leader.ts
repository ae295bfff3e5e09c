/** `leader`: the coordinator process that leads, under its lease. */
export const leaderKey = 'leader';

export function formatLeader(instance: string): string {
  return JSON.stringify({ instance });
}

/** @returns the process's instance @throws Error if it names none */
export function parseLeader(json: string): string {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null || !('instance' in value) || typeof value.instance !== 'string')
    throw new Error('the leader has no instance');
  return value.instance;
}
