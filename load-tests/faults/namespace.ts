/**
 * A network namespace of the run's own: its loopback has every port free and filters nobody else's
 * packets, so that a run needs no agreement with other clusters on the machine, and packets of one process to
 * one server can be dropped.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const marker = 'CHAPPE_FAULTS_NAMESPACE';

export function isInNamespace(): boolean {
  return process.env[marker] === '1';
}

/**
 * Runs this program again in a new namespace.
 *
 * @returns its exit code
 * @throws Error if this user may not make one
 */
export async function runInNamespace(): Promise<number> {
  const script = 'ip link set lo up && exec "$@"';
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const child = spawn('unshare', ['--net', '--', 'sh', '-c', script, 'sh', ...self], {
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
  if (code === 1 && !isRoot()) throw new Error('fault runs make a network namespace, which needs root');
  return code ?? 1;
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}
