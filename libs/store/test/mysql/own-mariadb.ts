/** A MariaDB for one test, which may be paused, killed and restarted; its clients must use TLS. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { endingWithStarter } from '../../../../load-tests/stack/process-record.ts';
import type { MysqlStoreOptions } from '../../src/mysql-store.ts';

const [database, user, password] = ['chappe', 'chappe', 'a password'];

export class OwnMariadb implements AsyncDisposable {
  readonly options: MysqlStoreOptions;
  readonly #folder: string;
  #process: ChildProcess | undefined;

  static async start(): Promise<OwnMariadb> {
    const folder = await mkdtemp(join(tmpdir(), 'chappe-mariadb-'));
    const data = join(folder, 'data');
    await run('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${data}`,
      `--tmpdir=${folder}`,
      '--skip-test-db',
      '--auth-root-authentication-method=normal',
      ...asSelf,
    ]);
    await makeCertificates(folder);
    const server = { host: 'localhost', port: await freePort(), database, user, password };
    const mariadb = new OwnMariadb(folder, { ...server, tls: { authority: await readFile(join(folder, 'ca.pem')) } });
    await mariadb.start();
    await mariadb.administer(`
      CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin;
      CREATE USER '${user}'@'127.0.0.1' IDENTIFIED BY '${password}' REQUIRE SSL;
      GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON ${database}.* TO '${user}'@'127.0.0.1'`);
    return mariadb;
  }

  private constructor(folder: string, options: MysqlStoreOptions) {
    this.#folder = folder;
    this.options = options;
  }

  async start(): Promise<void> {
    const args = [
      '--no-defaults',
      `--datadir=${join(this.#folder, 'data')}`,
      `--tmpdir=${this.#folder}`,
      `--socket=${join(this.#folder, 'socket')}`,
      '--bind-address=127.0.0.1',
      `--port=${this.options.port}`,
      '--skip-name-resolve',
      '--innodb-flush-log-at-trx-commit=1',
      '--innodb-buffer-pool-size=16M',
      `--ssl-ca=${join(this.#folder, 'ca.pem')}`,
      `--ssl-cert=${join(this.#folder, 'server.pem')}`,
      `--ssl-key=${join(this.#folder, 'server.key')}`,
      ...asSelf,
    ];
    const [command, ...before] = [...endingWithStarter, 'mariadbd'];
    this.#process = spawn(command, [...before, ...args], { stdio: 'ignore' });
    while (!(await accepts(this.options.port))) await pause(20);
  }

  /** As root of the database. */
  administer(sql: string): Promise<void> {
    return run('mariadb', [
      '--no-defaults',
      `--socket=${join(this.#folder, 'socket')}`,
      '--user=root',
      '--execute',
      sql,
    ]);
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true });
  }
}

/** MariaDB refuses to run as root unless it is told to. */
const asSelf = process.getuid?.() === 0 ? ['--user=root'] : [];

async function makeCertificates(folder: string): Promise<void> {
  const [authorityKey, authority] = [join(folder, 'ca.key'), join(folder, 'ca.pem')];
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', authorityKey, '-out', authority, '-subj', '/CN=test']);
  const [key, certificate] = [join(folder, 'server.key'), join(folder, 'server.pem')];
  const names = [
    '-subj',
    '/CN=server',
    '-addext',
    'subjectAltName=DNS:localhost',
    '-addext',
    'basicConstraints=CA:FALSE',
  ];
  const signed = ['-CA', authority, '-CAkey', authorityKey];
  await run('openssl', ['req', '-x509', ...newKey, '-keyout', key, '-out', certificate, ...names, ...signed]);
  await chmod(join(folder, 'server.key'), 0o600);
}

async function run(command: string, args: readonly string[]): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}: ${output}`);
}

/** Of a thread; one that has ended meanwhile stands still as well. */
async function stateOf(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => ') T');
  return text.charAt(text.lastIndexOf(')') + 2);
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
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
