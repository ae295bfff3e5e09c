/**
 * Who sends how much to whom: the bytes of every TCP connection between the processes of a run, as the kernel counts
 * them (ss of iproute2), and what they keep on disk. What a connection that came and went within a window has sent is
 * not in it; those that matter are open all the time.
 */
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TargetProcess } from './target.ts';

const run = promisify(execFile);

/** One end of a connection. */
export interface Socket {
  readonly local: string;
  readonly peer: string;
  readonly pid: number;
  /** Payload that the other end has acknowledged. */
  readonly sentBytes: number;
}

/** `sender > mariadb` -> payload bytes. */
export type Traffic = Readonly<Record<string, number>>;

/** Undefined: this machine has no ss. */
export async function openSockets(): Promise<readonly Socket[] | undefined> {
  try {
    const { stdout } = await run('ss', ['-tinpHO', 'state', 'established'], { maxBuffer: 64 * 2 ** 20 });
    return readSockets(stdout);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** @param text of `ss -tinpHO state established`: a line for each end */
export function readSockets(text: string): Socket[] {
  return text.split('\n').flatMap((line) => {
    const [, , local, peer] = line.trim().split(/\s+/);
    const pid = /pid=(\d+)/.exec(line)?.[1];
    if (local === undefined || peer === undefined || pid === undefined) return [];
    const sentBytes = Number(/bytes_acked:(\d+)/.exec(line)?.[1] ?? 0);
    return [{ local: plain(local), peer: plain(peer), pid: Number(pid), sentBytes }];
  });
}

/** What was sent between two moments, by parts. Processes that nobody knows are left out. */
export function trafficBetween(
  before: readonly Socket[],
  after: readonly Socket[],
  processes: readonly TargetProcess[],
): Traffic {
  const partOf = new Map(processes.map(({ pid, part }) => [pid, part]));
  const ownerOf = new Map(after.map(({ local, peer, pid }) => [`${local} ${peer}`, pid]));
  const sentBefore = new Map(before.map((socket) => [keyOf(socket), socket.sentBytes]));
  const traffic: Record<string, number> = {};
  for (const socket of after) {
    const from = partOf.get(socket.pid);
    const to = partOf.get(ownerOf.get(`${socket.peer} ${socket.local}`) ?? 0);
    if (from === undefined || to === undefined) continue;
    const bytes = socket.sentBytes - (sentBefore.get(keyOf(socket)) ?? 0);
    traffic[`${from} > ${to}`] = (traffic[`${from} > ${to}`] ?? 0) + bytes;
  }
  return traffic;
}

/** Bytes on disk by kind. @param folder of the servers */
export async function keptBytes(folder: string): Promise<Readonly<Record<string, number>>> {
  const kept = { 'kafka log': 0, 'mariadb tables': 0, 'mariadb binlog': 0 };
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const kind = kindOf(entry.name, entry.parentPath.slice(folder.length));
    // Segments and tables come and go while they are listed.
    if (kind !== undefined)
      kept[kind] += await stat(join(entry.parentPath, entry.name)).then(
        ({ size }) => size,
        () => 0,
      );
  }
  return kept;
}

function kindOf(name: string, place: string): 'kafka log' | 'mariadb tables' | 'mariadb binlog' | undefined {
  if (name.endsWith('.log') && place.startsWith('/kafka')) return 'kafka log';
  if (name.endsWith('.ibd')) return 'mariadb tables';
  return /^binlog\.\d+$/.test(name) ? 'mariadb binlog' : undefined;
}

/** Addresses of IPv4 in IPv6's clothes are the same. */
function plain(address: string): string {
  return address.replace(/^\[::ffff:([\d.]+)\]/, '$1');
}

function keyOf({ local, peer, pid }: Socket): string {
  return `${local} ${peer} ${pid}`;
}
