/**
 * Real processes of the cluster that are started against the real servers of the stack, wrongly or too early:
 * what `/readyz` says meanwhile, what is printed, how they end.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { serviceArguments } from './node-settings.ts';

const kafka = process.env['CHAPPE_KAFKA_BROKERS']?.split(',')[0];
const etcd = process.env['CHAPPE_ETCD_ENDPOINTS']?.split(',')[0];
const mysql = process.env['CHAPPE_MYSQL_URL'];
const skip =
  (kafka === undefined || etcd === undefined || mysql === undefined) && 'the stack is not there: `make test` has it';

interface Started extends AsyncDisposable {
  /** Its problems; undefined: nobody answers. */
  readonly health: () => Promise<string | undefined>;
  /** Its exit code and what it printed, once it has ended. */
  readonly ended: Promise<{ code: number | null; printed: string }>;
}

/** A process of a service with an environment of its own. */
async function start(service: string, environment: Readonly<Record<string, string>>): Promise<Started> {
  const adminPort = await freePort();
  const child = spawn(process.execPath, serviceArguments(service), {
    env: { ...environment, CHAPPE_ADMIN_PORT: String(adminPort), CHAPPE_BILLING_ADDRESS: '127.0.0.1:0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (printed += text));
  const ended = once(child, 'close').then(([code]: (number | null)[]) => ({ code: code ?? null, printed }));
  return {
    ended,
    health: async () => {
      const answer = await fetch(`http://127.0.0.1:${adminPort}/readyz`).catch(() => undefined);
      return answer?.text();
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The servers of a new cluster, with topics, keys and a database of its own. */
async function newCluster(): Promise<Record<string, string>> {
  const name = `t${randomBytes(4).toString('hex')}`;
  const database = `chappe_${name}`;
  await administer(`CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin`);
  databases.push(database);
  return {
    CHAPPE_LOG: `kafka://${kafka}?prefix=${name}.`,
    CHAPPE_COORDINATION: `etcd://${etcd}?prefix=/${name}&cluster=${name}`,
    CHAPPE_STORE: (mysql ?? '').replace(/\/[^/]*$/, `/${database}`),
  };
}

const databases: string[] = [];

async function administer(sql: string): Promise<void> {
  const connection = await createConnection(mysql ?? '');
  await connection.query(sql);
  await connection.end();
}

/** A way to a server that is closed until it is opened. */
class Way implements AsyncDisposable {
  readonly port: number;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  static async to(address: string): Promise<Way> {
    const [host = '', port = ''] = address.split(':');
    return new Way(await freePort(), { host, port: Number(port) });
  }

  private constructor(port: number, target: { readonly host: string; readonly port: number }) {
    this.port = port;
    this.#target = target;
    this.#server = createServer((near) => {
      const far = connect({ ...this.#target });
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket.on('error', () => other.destroy());
        socket.on('close', () => other.destroy());
        socket.pipe(other);
      }
    });
  }

  async open(): Promise<void> {
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(started: Started, what: RegExp): Promise<void> {
  let end: string | undefined;
  void started.ended.then(({ code, printed }) => (end = `it ended with ${code}: ${printed}`));
  while (!what.test((await started.health()) ?? '')) {
    assert.equal(end, undefined);
    await pause(50);
  }
}

async function refused(started: Started, what: RegExp): Promise<void> {
  const { code, printed } = await started.ended;
  assert.equal(code, 1, printed);
  assert.match(printed, what);
}

describe('the start of a process', { skip }, () => {
  after(async () => {
    for (const database of databases) await administer(`DROP DATABASE ${database}`);
  });

  test('names the server that is away and the variable that says where it is, and goes on when it is there', async () => {
    const environment = await newCluster();
    const addresses = { CHAPPE_COORDINATION: etcd ?? '', CHAPPE_STORE: new URL(mysql ?? 'http://x').host };
    await using ways = new AsyncDisposableStack();
    const etcdWay = ways.use(await Way.to(addresses.CHAPPE_COORDINATION));
    const mysqlWay = ways.use(await Way.to(addresses.CHAPPE_STORE));
    await using billing = await start('billing', {
      ...environment,
      CHAPPE_COORDINATION: (environment['CHAPPE_COORDINATION'] ?? '').replace(etcd ?? '', `127.0.0.1:${etcdWay.port}`),
      CHAPPE_STORE: (environment['CHAPPE_STORE'] ?? '').replace(addresses.CHAPPE_STORE, `127.0.0.1:${mysqlWay.port}`),
    });
    const away = (port: number, variable: string): RegExp =>
      new RegExp(`"ready":false.*cannot start yet.*127\\.0\\.0\\.1:${port}.*the server of ${variable}`);
    await until(billing, away(etcdWay.port, 'CHAPPE_COORDINATION'));
    await etcdWay.open();
    await until(billing, away(mysqlWay.port, 'CHAPPE_STORE'));
    await mysqlWay.open();
    await until(billing, /"ready":true/);
  });

  test('a broker that is away is named as well', async () => {
    const port = await freePort();
    await using billing = await start('billing', { ...(await newCluster()), CHAPPE_LOG: `kafka://127.0.0.1:${port}` });
    await until(billing, new RegExp(`"ready":false.*127\\.0\\.0\\.1:${port}.*the server of CHAPPE_LOG`));
  });

  test('a database that is not there is said, with what to do', async () => {
    const environment = await newCluster();
    await using billing = await start('billing', {
      ...environment,
      CHAPPE_STORE: `${environment['CHAPPE_STORE']}_none`,
    });
    await until(billing, /"ready":false.*there is no such database, create it/);
  });

  test('two clusters on one prefix of etcd, one prefix of topics or one database: the later one ends and says whose they are', async () => {
    const first = await newCluster();
    const second = await newCluster();
    await using billing = await start('billing', first);
    await until(billing, /"ready":true/);
    const name = (environment: Readonly<Record<string, string>>): string =>
      /cluster=(\w+)/.exec(environment['CHAPPE_COORDINATION'] ?? '')?.[1] ?? '';
    const whose = new RegExp(`belong to the cluster ${name(first)}, and this is ${name(second)}: give each cluster`);
    for (const shared of ['CHAPPE_LOG', 'CHAPPE_STORE'] as const) {
      await using other = await start('billing', { ...second, [shared]: first[shared] ?? '' });
      await refused(other, whose);
    }
    const samePrefix = (first['CHAPPE_COORDINATION'] ?? '').replace(/cluster=\w+/, `cluster=${name(second)}`);
    await using other = await start('coordinator', { ...second, CHAPPE_COORDINATION: samePrefix });
    await refused(other, whose);
  });
});
