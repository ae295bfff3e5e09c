/** An etcd for one test, which may be paused, killed, restarted and restored from a copy of its folder. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { EtcdEndpoints } from '../../src/etcd-endpoints.ts';

export class OwnEtcd implements AsyncDisposable {
  readonly endpoint: string;
  readonly #folder: string;
  readonly #ports: readonly [number, number];
  #process: ChildProcess | undefined;

  static async start(): Promise<OwnEtcd> {
    const folder = await mkdtemp(join(tmpdir(), 'chappe-etcd-'));
    const etcd = new OwnEtcd(folder, [await freePort(), await freePort()]);
    await etcd.start();
    return etcd;
  }

  private constructor(folder: string, ports: readonly [number, number]) {
    this.#folder = folder;
    this.#ports = ports;
    this.endpoint = `127.0.0.1:${ports[0]}`;
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    const [client, peer] = this.#ports.map((port) => `http://127.0.0.1:${port}`);
    const options: Record<string, string> = {
      '--data-dir': join(this.#folder, 'data'),
      '--listen-client-urls': client ?? '',
      '--advertise-client-urls': client ?? '',
      '--listen-peer-urls': peer ?? '',
      '--initial-advertise-peer-urls': peer ?? '',
      '--initial-cluster': `default=${peer}`,
      '--logger': 'zap',
      '--log-level': 'error',
    };
    this.#process = spawn('etcd', Object.entries(options).flat(), { stdio: 'ignore' });
    using endpoints = new EtcdEndpoints({ endpoints: [this.endpoint] });
    const answers = (): Promise<boolean> =>
      endpoints
        .once((etcd, call) => etcd.maintenance.status(call))
        .then(
          () => true,
          () => false,
        );
    while (!(await answers())) await pause(20);
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  async kill(): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    this.#process = undefined;
    const exited = once(running, 'exit');
    running.kill('SIGKILL');
    await exited;
  }

  /** Only while it does not run. */
  backUp(): Promise<void> {
    return cp(join(this.#folder, 'data'), join(this.#folder, 'copy'), { recursive: true });
  }

  /** Only while it does not run. */
  async restore(): Promise<void> {
    await rm(join(this.#folder, 'data'), { recursive: true });
    await cp(join(this.#folder, 'copy'), join(this.#folder, 'data'), { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('a server without a port');
  return address.port;
}
