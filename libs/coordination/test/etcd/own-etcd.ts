/** An etcd for one test, which may be paused, killed, restarted and restored from a copy of its folder. */
import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { endingWithStarter } from '../../../../load-tests/stack/process-record.ts';
import { EtcdEndpoints } from '../../src/etcd-endpoints.ts';

export class OwnEtcd implements AsyncDisposable {
  readonly endpoint: string;
  readonly tls: { readonly authority: Buffer } | undefined;
  readonly #folder: string;
  readonly #ports: readonly [number, number];
  #process: ChildProcess | undefined;

  /** With TLS its clients must trust `tls.authority`. */
  static async start(options: { readonly withTls: boolean } = { withTls: false }): Promise<OwnEtcd> {
    const folder = await mkdtemp(join(tmpdir(), 'chappe-etcd-'));
    if (options.withTls) await makeCertificates(folder);
    const tls = options.withTls ? { authority: await readFile(join(folder, 'ca.pem')) } : undefined;
    const etcd = new OwnEtcd(folder, [await freePort(), await freePort()], tls);
    await etcd.start();
    return etcd;
  }

  private constructor(
    folder: string,
    ports: readonly [number, number],
    tls: { readonly authority: Buffer } | undefined,
  ) {
    this.#folder = folder;
    this.tls = tls;
    this.#ports = ports;
    this.endpoint = `${tls === undefined ? '127.0.0.1' : 'localhost'}:${ports[0]}`;
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    const client = `http${this.tls === undefined ? '' : 's'}://127.0.0.1:${this.#ports[0]}`;
    const peer = `http://127.0.0.1:${this.#ports[1]}`;
    const options: Record<string, string> = {
      '--data-dir': join(this.#folder, 'data'),
      '--listen-client-urls': client,
      '--advertise-client-urls': client,
      '--listen-peer-urls': peer,
      '--initial-advertise-peer-urls': peer,
      '--initial-cluster': `default=${peer}`,
      '--logger': 'zap',
      '--log-level': 'error',
      ...(this.tls && {
        '--cert-file': join(this.#folder, 'server.pem'),
        '--key-file': join(this.#folder, 'server.key'),
      }),
    };
    const [command, ...args] = [...endingWithStarter, 'etcd', ...Object.entries(options).flat()];
    this.#process = spawn(command, args, { stdio: 'ignore' });
    using endpoints = new EtcdEndpoints({ endpoints: [this.endpoint], tls: this.tls });
    const answers = (): Promise<boolean> =>
      endpoints
        .once((etcd, call) => etcd.maintenance.status(call))
        .then(
          () => true,
          () => false,
        );
    while (!(await answers())) await pause(20);
  }

  /** Resolves once all its threads stand still. */
  async pause(): Promise<void> {
    this.#process?.kill('SIGSTOP');
    const tasks = `/proc/${this.#process?.pid}/task`;
    for (;;) {
      const states = await Promise.all((await readdir(tasks)).map((task) => stateOf(`${tasks}/${task}/stat`)));
      if (states.every((state) => state === 'T')) return;
      await pause(1);
    }
  }

  goOn(): void {
    this.#process?.kill('SIGCONT');
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

/** Of a thread; one that has ended meanwhile stands still as well. */
async function stateOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => ') T');
  return text.charAt(text.lastIndexOf(')') + 2);
}

async function makeCertificates(folder: string): Promise<void> {
  const [authorityKey, authority] = [join(folder, 'ca.key'), join(folder, 'ca.pem')];
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.pem')];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const names = ['-subj', '/CN=server', '-addext', 'subjectAltName=DNS:localhost'];
  const leaf = ['-addext', 'basicConstraints=CA:FALSE', '-CA', authority, '-CAkey', authorityKey];
  const request = promisify(execFile);
  await request('openssl', [
    'req',
    '-x509',
    ...newKey,
    '-keyout',
    authorityKey,
    '-out',
    authority,
    '-subj',
    '/CN=test',
  ]);
  await request('openssl', ['req', '-x509', ...newKey, '-keyout', key, '-out', certificate, ...names, ...leaf]);
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
