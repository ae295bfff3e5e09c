/** CPU time and resident memory of processes with all their descendants, from /proc (proc(5)). */
import { readFile, readdir, writeFile } from 'node:fs/promises';

export interface Part {
  readonly name: string;
  readonly pid: number;
  /** Ours: the sending application, the message centre or the handsets. */
  readonly isDriver?: true;
  /** Its children are parts of their own. */
  readonly isAlone?: true;
}

export interface Usage {
  /** User and system time, ended children included. */
  readonly cpuMs: number;
  /** The most that was resident since the last `resetPeaks`, summed over the tree. */
  readonly peakRssBytes: number;
}

const tickMs = 10;

/** What all processors of the machine have spent on anything, time that a host took away included (proc(5), /proc/stat). */
export async function machineCpuMs(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [, user, nice, system, , , irq, softirq, steal] = line.split(/\s+/).map(Number);
  return [user, nice, system, irq, softirq, steal].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0) * tickMs;
}

/** Makes what is resident now the peak. */
export async function resetPeaks(parts: readonly Part[]): Promise<void> {
  const childrenOf = await processTree();
  for (const part of parts) {
    for (const member of membersOf(part, childrenOf)) {
      // A child may have ended since it was listed.
      await writeFile(`/proc/${member}/clear_refs`, '5').catch(() => undefined);
    }
  }
}

export async function usageOf(parts: readonly Part[]): Promise<Usage[]> {
  const childrenOf = await processTree();
  return Promise.all(
    parts.map(async (part) => {
      let [ticks, peakKib] = [0, 0];
      for (const member of membersOf(part, childrenOf)) {
        const fields = await statOf(member);
        // User and system time; the same of children that have ended.
        for (const field of fields?.slice(11, part.isAlone === true ? 13 : 15) ?? []) ticks += Number(field);
        const status = await readFile(`/proc/${member}/status`, 'utf8').catch(() => '');
        peakKib += Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0);
      }
      return { cpuMs: ticks * tickMs, peakRssBytes: peakKib * 1_024 };
    }),
  );
}

/** A process and its descendants; only itself if it is alone. */
export function membersOf(
  { pid, isAlone }: Pick<Part, 'pid' | 'isAlone'>,
  childrenOf: ReadonlyMap<number, readonly number[]>,
): number[] {
  if (isAlone === true) return [pid];
  return [pid, ...(childrenOf.get(pid) ?? []).flatMap((child) => membersOf({ pid: child }, childrenOf))];
}

/** The children of every process. */
export async function processTree(): Promise<Map<number, number[]>> {
  const childrenOf = new Map<number, number[]>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const parent = Number((await statOf(Number(entry)))?.[1]);
    if (!Number.isNaN(parent)) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(entry)]);
  }
  return childrenOf;
}

/** The fields from the third, `state`, on; undefined if there is no such process. */
async function statOf(pid: number): Promise<string[] | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
}
