/** What the operating system says a process has used (proc(5)). All threads of the process are in it. */
import { readFile } from 'node:fs/promises';

export interface Usage {
  /** User and system time. */
  readonly cpuMs: number;
  readonly residentBytes: number;
  /** The most that was ever resident. */
  readonly peakBytes: number;
}

/** CONFIG_HZ as the kernel tells user space: 100 on every Linux. */
const msPerTick = 10;

/** @throws Error if there is no such process */
export async function usageOf(pid: number): Promise<Usage> {
  const [stat, status] = await Promise.all(['stat', 'status'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8')));
  // The command's name stands in parentheses and may have spaces; user and system time are the 12th and 13th after it.
  const fields = (stat ?? '').slice((stat ?? '').lastIndexOf(')') + 2).split(' ');
  return {
    cpuMs: (Number(fields[11]) + Number(fields[12])) * msPerTick,
    residentBytes: kibibytesIn(status ?? '', 'VmRSS') * 1024,
    peakBytes: kibibytesIn(status ?? '', 'VmHWM') * 1024,
  };
}

function kibibytesIn(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
}
