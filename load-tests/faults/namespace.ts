/**
 * Namespaces of the run's own, for network and mounts: its loopback has every port free and filters nobody
 * else's packets, so that a run needs no agreement with other clusters on the machine, and packets of one
 * process to one server can be dropped; and its small disks are seen by nobody else.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const marker = 'CHAPPE_FAULTS_NAMESPACE';

export function isInNamespace(): boolean {
  return process.env[marker] === '1';
}

/** Runs this program again in new namespaces. @returns its exit code */
export async function runInNamespace(): Promise<number> {
  const script = 'ip link set lo up && exec "$@"';
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', ['--net', '--mount', '--', 'sh', '-c', script, 'sh', ...self], {
    stdio: 'inherit',
    env: { ...process.env, [marker]: '1' },
  });
  // The terminal sends it the same signals: it ends what it started, and this waits for it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (signal === 'SIGTERM') child.kill(signal);
    });
  }
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
