/** What `helm template` makes of the chart with some values. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { tool } from './tools.ts';

const run = promisify(execFile);

export type Chart = 'chappe' | 'chappe-dev';

export function chartFolder(chart: Chart): string {
  return join(import.meta.dirname, '..', chart);
}

/** As the schemas are of. */
export const kubeVersion = '1.34.4';

/** The least that an installation says. */
export const least: readonly string[] = [
  'log.brokers={b-1.example:9094,b-2.example:9094}',
  'coordination.endpoints={etcd-0.example:2379,etcd-1.example:2379}',
  'store.host=db.example',
  'store.secret=chappe-store',
  'gateway.adminKeySecret=chappe-admin',
  'crypto.keysSecret=chappe-keys',
  'relay.codes.url=https://codes.example/send',
];

/** Everything that can be switched on. */
export const most: readonly string[] = [
  ...least,
  ...['log', 'coordination', 'store'].flatMap((server) => [
    `${server}.tls.enabled=true`,
    `${server}.tls.secret=${server}-tls`,
    `${server}.tls.clientCertificate=true`,
  ]),
  'log.sasl.secret=log-login',
  'coordination.auth.secret=coordination-login',
  'relay.tlsSecret=relay-tls',
  'gateway.tlsSecret=gateway-tls',
  'peers.tlsSecret=peers-tls',
  'relay.codes.secret=codes-token',
  'imagePullSecrets={registry}',
  'priorityClassName=high',
  'nodeSelector.pool=chappe',
  'tolerations[0].key=pool',
  'tolerations[0].operator=Exists',
  'gateway.service.type=LoadBalancer',
  'gateway.service.annotations.a/b=c',
  'gateway.countedBusinesses={b-1,b-2}',
  'metrics.dashboards.enabled=true',
  'coordinator.kubernetes.enabled=true',
  'sender.scaling.apply=true',
  'sender.scaling.most=12',
  'networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring',
];

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: unknown }[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  readonly securityContext?: Readonly<Record<string, unknown>>;
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly topologySpreadConstraints?: readonly Readonly<Record<string, unknown>>[];
}

interface Rule {
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface KubernetesObject {
  readonly kind: string;
  readonly rules?: readonly Rule[];
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> };
  readonly spec?: Readonly<Record<string, unknown>> & {
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
  };
}

/** @throws Error with what helm says */
export function renderText(values: readonly string[], chart: Chart = 'chappe'): Promise<string> {
  return template(
    values.flatMap((value) => ['--set', value]),
    chart,
  );
}

async function template(settings: readonly string[], chart: Chart): Promise<string> {
  const { stdout } = await run(
    await tool('helm'),
    [
      'template',
      chart === 'chappe' ? 'chappe' : 'dev',
      chartFolder(chart),
      '--kube-version',
      kubeVersion,
      '--namespace',
      'messages',
      ...settings,
    ],
    {
      maxBuffer: 16 * 2 ** 20,
    },
  );
  return stdout;
}

/** @throws Error with what helm says */
export function render(values: readonly string[], chart: Chart = 'chappe'): Promise<KubernetesObject[]> {
  return renderWith(
    values.flatMap((value) => ['--set', value]),
    chart,
  );
}

/** @param settings of helm: `--set`, `--values` @throws Error with what helm says */
export async function renderWith(settings: readonly string[], chart: Chart = 'chappe'): Promise<KubernetesObject[]> {
  return parseAllDocuments(await template(settings, chart))
    .map((document): unknown => document.toJS())
    .filter((object): object is KubernetesObject => object !== null);
}
