/** The two releases of a run: servers (`dev`) in one zone, and Chappe over both, with TLS between its services. */
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthorityAt, signAt } from '../../charts/lab/certificates.ts';
import { apply, helm, kubectl } from '../../charts/lab/kubectl.ts';
import { certificatesFolder, nodes } from '../../charts/lab/layout.ts';
import { chartFolder, type Chart } from '../../charts/test/render.ts';
import { CodesProvider } from './codes-provider.ts';

export type Values = Readonly<Record<string, unknown>>;

export const namespace = 'messages';
/** Of nodes: what is outside of the cluster connects there, to whichever answers. */
const [gatewayPort, relayPort] = [30_401, 30_405];
export const gateway = nodes.map(({ address }) => `${address}:${gatewayPort}`).join(',');
export const relay = nodes.map(({ address }) => `${address}:${relayPort}`).join(',');
/** The zone that is not lost has the servers: they are given from outside, and their own loss is for `make faults`. */
const serversZone = nodes[0]?.zone ?? '';

export const chappeValues: Values = {
  log: { brokers: ['dev-kafka:9092'], replication: 1, minInSync: 1 },
  coordination: { endpoints: ['dev-etcd:2379'] },
  store: { host: 'dev-mariadb', secret: 'dev-secrets' },
  peers: { tlsSecret: 'chappe-peers' },
  gateway: {
    adminKeySecret: 'dev-secrets',
    service: { type: 'NodePort', nodePort: gatewayPort },
    // The lab's two nodes share two processors: requests are for the scheduler, and both services of a kind fit one node.
    ...smallRequests('192Mi'),
  },
  coordinator: { kubernetes: { enabled: true }, ...smallRequests('128Mi') },
  // No more than these until a step says so.
  sender: {
    replicas: 2,
    scaling: { apply: true, least: 2, most: 2, aim: 80, zones: 1, quietSeconds: 30 },
    ...smallRequests('192Mi'),
  },
  crypto: { keysSecret: 'dev-secrets', ...smallRequests('192Mi') },
  relay: {
    codes: { url: CodesProvider.url },
    service: { type: 'NodePort', nodePort: relayPort },
    ...smallRequests('192Mi'),
  },
  billing: smallRequests('128Mi'),
};

export const serverValues: Values = { nodeSelector: { 'topology.kubernetes.io/zone': serversZone } };

function smallRequests(memory: string): Values {
  return { resources: { requests: { cpu: '20m', memory }, limits: { memory: '768Mi' } } };
}

export interface ReleaseOptions {
  readonly release: string;
  readonly chart: Chart;
  readonly values: Values;
  /** Over the values: as `--set` takes them. */
  readonly set?: readonly string[];
  /** What the release was told before stays, and the values are put over it. */
  readonly isReused?: boolean;
  /** Absent: that of the run. */
  readonly namespace?: string;
  /** Absent: not waited for. */
  readonly waitSeconds?: number;
  /** Tables are not looked at. Absent: they are, first. */
  readonly hasNoHooks?: boolean;
}

/** Installs, or upgrades what is there. @throws Error with what helm said */
export async function deploy({
  release,
  chart,
  values,
  set = [],
  isReused = false,
  namespace: at = namespace,
  waitSeconds,
  hasNoHooks = false,
}: ReleaseOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-values-'));
  try {
    const file = join(folder, 'values.json');
    await writeFile(file, JSON.stringify(values));
    await helm([
      'upgrade',
      '--install',
      release,
      chartFolder(chart),
      `--namespace=${at}`,
      `--values=${file}`,
      ...set.flatMap((value) => ['--set', value]),
      ...(isReused ? ['--reuse-values'] : []),
      ...(hasNoHooks ? ['--no-hooks'] : []),
      ...(waitSeconds === undefined ? [] : ['--wait', `--timeout=${waitSeconds}s`]),
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function makeNamespace(name: string): Promise<void> {
  const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
  await apply([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }]);
}

/** Changes values of the release that is there, and waits until all is ready. */
export async function change(values: Values): Promise<void> {
  await deploy({ release: 'chappe', chart: 'chappe', values, isReused: true, waitSeconds: 300 });
}

/**
 * The certificate that services show to each other, by an authority of its own, in the secret that the chart is told of: the
 * first, or one in its place.
 *
 * @returns the certificate, PEM
 */
export async function makePeerSecret(at: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-peers-'));
  try {
    const authority = {
      certificate: join(certificatesFolder, 'peers-ca.crt'),
      key: join(certificatesFolder, 'peers-ca.key'),
    };
    if (!existsSync(authority.certificate)) await makeAuthorityAt(authority, 'chappe-peers');
    await copyFile(authority.certificate, join(folder, 'ca.crt'));
    const files = { certificate: join(folder, 'tls.crt'), key: join(folder, 'tls.key') };
    const names = ['crypto', 'billing', 'relay'].map((service) => `DNS:chappe-${service}-peers.${at}.svc`);
    await signAt(files, authority, '/CN=chappe-peers', [...names, `DNS:*.chappe-sender-peers.${at}.svc`]);
    const from = ['ca.crt', 'tls.crt', 'tls.key'].map((name) => `--from-file=${name}=${join(folder, name)}`);
    const secret = ['create', 'secret', 'generic', 'chappe-peers', ...from, '--dry-run=client', '--output=json'];
    await kubectl(['--namespace', at, 'apply', '--filename', '-'], await kubectl(['--namespace', at, ...secret]));
    return await readFile(files.certificate, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function adminKey(): Promise<string> {
  const template = '{{ index .data "admin-key" | base64decode }}';
  return kubectl(['--namespace', namespace, 'get', 'secret', 'dev-secrets', `--output=go-template=${template}`]);
}

/** What an administrator says to the database. @returns its rows, without a head */
export async function sql(statement: string): Promise<string> {
  const client = ['mariadb', '--skip-column-names', 'chappe', '--execute', statement];
  return (await kubectl(['--namespace', namespace, 'exec', 'dev-mariadb-0', '--', ...client])).trim();
}
