/**
 * An API server of Kubernetes with an etcd of its own and the controllers of StatefulSets, on loopback and in a temporary
 * folder. No node runs anything: nodes are objects, and whoever tests plays the kubelet.
 *
 * The programs are those that the lab of the cluster tests has built; without them there is none.
 */
import { KubeConfig } from '@kubernetes/client-node';
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { labFolder, versions } from './tools.ts';

const run = promisify(execFile);
const programs = ['etcd', 'kube-apiserver', 'kube-controller-manager'] as const;
const startMsMax = 90_000;

const folder = join(labFolder, 'programs', `kubernetes-${versions.kubernetes}`);

/** Why there can be no API server; undefined: there can. */
export function whyNoApiServer(): string | undefined {
  const missing = programs.filter((program) => !existsSync(join(folder, program)));
  return missing.length === 0 ? undefined : `${missing.join(', ')} not in ${folder}: \`make k8s-up\` builds them`;
}

export interface ApiServer extends AsyncDisposable {
  readonly admin: KubeConfig;
  /** A file for somebody who has nothing but this token. */
  configFile(token: string): Promise<string>;
  /** Ends it, and starts it again on what etcd has. */
  restart(): Promise<void>;
}

/** @throws Error with the end of a program's log if it does not start */
export async function startApiServer(): Promise<ApiServer> {
  await using stack = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), 'chappe-api-server-'));
  stack.defer(() => rm(home, { recursive: true, force: true }));
  const [port, etcdPort, peerPort] = [await freePort(), await freePort(), await freePort()];
  const at = (name: string): string => join(home, name);
  await makeCertificates(home);

  const begin = async (program: string, flags: readonly string[]): Promise<ChildProcess> => {
    const log = await open(at(`${program}.log`), 'a');
    const child = spawn(join(folder, program), [...flags], { stdio: ['ignore', log.fd, log.fd] });
    await log.close();
    return child;
  };
  const etcd = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const etcdProcess = await begin('etcd', [
    `--data-dir=${at('etcd')}`,
    `--listen-client-urls=${etcd}`,
    `--advertise-client-urls=${etcd}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    '--unsafe-no-fsync',
  ]);
  stack.defer(() => ended(etcdProcess));
  const apiFlags = [
    `--etcd-servers=${etcd}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--authorization-mode=Node,RBAC',
    `--client-ca-file=${at('ca.crt')}`,
    `--tls-cert-file=${at('server.crt')}`,
    `--tls-private-key-file=${at('server.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${at('sa.pub')}`,
    `--service-account-signing-key-file=${at('sa.key')}`,
    `--cert-dir=${home}`,
    '--endpoint-reconciler-type=none',
    '--disable-admission-plugins=ServiceAccount',
  ];
  let api = await begin('kube-apiserver', apiFlags);
  stack.defer(() => ended(api));
  const server = `https://127.0.0.1:${port}`;
  const authority = await readFile(at('ca.crt'), 'utf8');
  const [certData, keyData] = [await base64(at('admin.crt')), await base64(at('admin.key'))];
  const config = (user: Readonly<Record<string, string>>): string =>
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [
        { name: 'c', cluster: { server, 'certificate-authority-data': Buffer.from(authority).toString('base64') } },
      ],
      users: [{ name: 'u', user }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    });
  const admin = config({ 'client-certificate-data': certData, 'client-key-data': keyData });
  await writeFile(at('admin.config'), admin);
  const ready = (): Promise<void> => untilReady(port, home);
  await ready();
  const controllers = await begin('kube-controller-manager', [
    `--kubeconfig=${at('admin.config')}`,
    '--leader-elect=false',
    '--controllers=statefulset-controller',
    '--secure-port=0',
    `--service-account-private-key-file=${at('sa.key')}`,
  ]);
  stack.defer(() => ended(controllers));
  const kubeConfig = new KubeConfig();
  kubeConfig.loadFromString(admin);
  let files = 0;
  const owned = stack.move();
  return {
    admin: kubeConfig,
    configFile: async (token) => {
      const file = at(`token-${(files += 1)}.config`);
      await writeFile(file, config({ token }));
      return file;
    },
    restart: async () => {
      await ended(api);
      api = await begin('kube-apiserver', apiFlags);
      await ready();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function makeCertificates(home: string): Promise<void> {
  const openssl = (...words: string[]) => run('openssl', words, { cwd: home });
  await openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
    '-subj',
    '/CN=ca',
  );
  for (const [name, subject] of [
    ['server', '/CN=kube-apiserver'],
    ['admin', '/O=system:masters/CN=admin'],
  ] as const) {
    await openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      subject,
    );
    await writeFile(join(home, `${name}.ext`), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.crt',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-out',
      `${name}.crt`,
      '-extfile',
      `${name}.ext`,
    );
  }
  await openssl('genrsa', '-out', 'sa.key', '2048');
  await openssl('rsa', '-in', 'sa.key', '-pubout', '-out', 'sa.pub');
}

async function untilReady(port: number, home: string): Promise<void> {
  const endMs = performance.now() + startMsMax;
  const words = [
    '--silent',
    '--fail',
    '--max-time',
    '2',
    '--cacert',
    'ca.crt',
    '--cert',
    'admin.crt',
    '--key',
    'admin.key',
  ];
  for (;;) {
    try {
      await run('curl', [...words, `https://127.0.0.1:${port}/readyz`], { cwd: home });
      return;
    } catch (error) {
      if (performance.now() < endMs) {
        await pause(200);
        continue;
      }
      const log = await readFile(join(home, 'kube-apiserver.log'), 'utf8');
      throw new Error(`the API server does not start: ${log.slice(-2_000)}`, { cause: error });
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function base64(path: string): Promise<string> {
  return (await readFile(path)).toString('base64');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}
