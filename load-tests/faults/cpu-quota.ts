/**
 * A process's share of a processor, by the kernel's control groups: version 1 (a file system for each
 * controller) or version 2 (one for all). A group lives as long as its quota and is empty when it is removed.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';

interface Hierarchy {
  readonly root: string;
  readonly writeQuota: (group: string, share: number) => Promise<void>;
}

const periodUs = 100_000;

/** The kernel's files are there, and take no flags that would make new ones. */
const put = (path: string, text: string): Promise<void> => writeFile(path, text, { flag: 'r+' });

const first: Hierarchy = {
  root: '/sys/fs/cgroup/cpu',
  writeQuota: async (group, share) => {
    await put(`${group}/cpu.cfs_period_us`, String(periodUs));
    await put(`${group}/cpu.cfs_quota_us`, String(Math.round(periodUs * share)));
  },
};

const second: Hierarchy = {
  root: '/sys/fs/cgroup',
  writeQuota: async (group, share) => {
    await put('/sys/fs/cgroup/cgroup.subtree_control', '+cpu');
    await put(`${group}/cpu.max`, `${Math.round(periodUs * share)} ${periodUs}`);
  },
};

export function hasCpuQuota(): boolean {
  return hierarchy() !== undefined;
}

/** Holds a process, with all its threads, to a share of one processor (0.1: a tenth) until it is disposed of. */
export async function limitCpu(pid: number, share: number): Promise<AsyncDisposable> {
  const found = hierarchy();
  if (found === undefined) throw new Error('there are no control groups with CPU quotas');
  const { root, writeQuota } = found;
  const group = `${root}/chappe-faults-${pid}`;
  await mkdir(group, { recursive: true });
  await writeQuota(group, share);
  await put(`${group}/cgroup.procs`, String(pid));
  return {
    [Symbol.asyncDispose]: async () => {
      const left = (await readFile(`${group}/cgroup.procs`, 'utf8')).split('\n').filter((line) => line !== '');
      // One that has ended meanwhile is in no group any more.
      for (const one of left) await put(`${root}/cgroup.procs`, one).catch(() => undefined);
      await rmdir(group);
    },
  };
}

function hierarchy(): Hierarchy | undefined {
  if (existsSync(`${first.root}/cgroup.procs`)) return first;
  return existsSync(`${second.root}/cgroup.controllers`) ? second : undefined;
}
