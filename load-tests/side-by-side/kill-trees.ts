/** Ends processes with all their descendants at once, as a crash does. */
import { setTimeout as pause } from 'node:timers/promises';
import { membersOf, processTree } from './process-usage.ts';

const pollMs = 20;

/** Resolves when none of them is left. */
export async function killTrees(pids: readonly number[]): Promise<void> {
  const childrenOf = await processTree();
  const members = pids.flatMap((pid) => membersOf({ pid }, childrenOf));
  for (const member of members) signal(member, 'SIGKILL');
  while (members.some((member) => signal(member, 0))) await pause(pollMs);
}

/** Whether there was such a process: one may end because another one did. */
function signal(pid: number, what: 'SIGKILL' | 0): boolean {
  try {
    return process.kill(pid, what);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
