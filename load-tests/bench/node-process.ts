/** The standalone node of a benchmark, as a process of its own, and what it uses. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface BenchNode extends AsyncDisposable {
  readonly gatewayAddress: string;
  readonly deviceAddress: string;
  /** Metrics and health. */
  readonly adminAddress: string;
  readonly adminKey: string;
  readonly codesFile: string;
  /** From spawn to the ready line. */
  readonly startMs: number;
  usage(): Promise<{ cpuMs: number; rssBytes: number }>;
  /** With `profile`: ends the node and gives the text of its CPU profile. */
  profile(): Promise<string>;
}

export async function startNode(options: { readonly profile?: boolean } = {}): Promise<BenchNode> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-bench-'));
  const main = fileURLToPath(import.meta.resolve('@chappe/standalone/main'));
  const profileArguments = options.profile === true ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : [];
  const startedAt = performance.now();
  const child = spawn(process.execPath, [...profileArguments, main], {
    env: {
      // As `chappe up` starts it.
      MALLOC_ARENA_MAX: '2',
      ...process.env,
      CHAPPE_DATA: join(folder, 'data'),
      CHAPPE_GATEWAY_ADDRESS: '127.0.0.1:0',
      CHAPPE_DEVICE_ADDRESS: '127.0.0.1:0',
      CHAPPE_ADMIN_PORT: '0',
      CHAPPE_RATE_PER_SECOND: '1000000',
      CHAPPE_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  const startMs = performance.now() - startedAt;
  const ready = JSON.parse(line) as { gateway: string; devices: string; admin: string };
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  return {
    gatewayAddress: ready.gateway,
    deviceAddress: ready.devices,
    adminAddress: ready.admin,
    adminKey: (await readFile(join(folder, 'data', 'admin-key'), 'utf8')).trim(),
    codesFile: join(folder, 'data', 'registration-codes.jsonl'),
    startMs,
    usage: () => usageOf(child.pid ?? 0),
    profile: async () => {
      await stop();
      const name = (await readdir(folder)).find((file) => file.endsWith('.cpuprofile'));
      return readFile(join(folder, name ?? 'no profile'), 'utf8');
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** From /proc/<pid>/stat (proc(5)): user and system time in ticks of 10 ms, resident pages of 4 KiB. */
async function usageOf(pid: number): Promise<{ cpuMs: number; rssBytes: number }> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuMs: ticks * 10, rssBytes: Number(fields[21]) * 4096 };
}
