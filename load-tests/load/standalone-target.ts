/** The standalone node as the system under test: a process of its own, started as `chappe up` starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Target, TargetOptions } from './target.ts';

export async function startStandaloneTarget({ profiled }: TargetOptions, bounds: string): Promise<Target> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-load-'));
  const main = fileURLToPath(import.meta.resolve('@chappe/standalone/main'));
  const profileArguments = profiled === 'standalone' ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : [];
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
      CHAPPE_INITIAL_BOUNDS: bounds,
      CHAPPE_RATE_PER_SECOND: '1000000',
      CHAPPE_LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const first = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended.then(() => [])]);
  const [line] = first as [string?];
  if (line === undefined) throw new Error('the node ended before it was ready');
  const startMs = performance.now() - startedAt;
  const ready = JSON.parse(line) as { gateway: string; devices: string };
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await ended;
  };
  return {
    mode: 'standalone',
    shape: `one process, ${bounds === '' ? 1 : bounds.split(',').length + 1} ranges`,
    gateway: ready.gateway,
    devices: ready.devices,
    adminKey: (await readFile(join(folder, 'data', 'admin-key'), 'utf8')).trim(),
    codesFile: join(folder, 'data', 'registration-codes.jsonl'),
    durability: { store: 'SQLite, WAL, synchronous=FULL', log: 'SQLite, WAL, synchronous=FULL' },
    versions: { sqlite: process.versions['sqlite'] ?? '' },
    startMs,
    kept: () => Promise.resolve({}),
    processes: () => Promise.resolve([{ name: 'standalone', part: 'standalone', pid: child.pid ?? 0 }]),
    floor: (part) => ({
      environment: {
        CHAPPE_LOG: `sqlite:${folder}/floor-log-${part}.sqlite`,
        CHAPPE_STORE: `sqlite:${folder}/floor-store-${part}.sqlite`,
      },
      socket: `${folder}/floor-${part}.sock`,
    }),
    profile: async () => {
      await stop();
      const name = (await readdir(folder)).find((file) => file.endsWith('.cpuprofile'));
      return readFile(join(folder, name ?? 'no profile'), 'utf8');
    },
    [Symbol.asyncDispose]: async () => {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
