/** Which coordination a process uses: `CHAPPE_COORDINATION`. */
import type { Coordination } from '@chappe/coordination/coordination';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openEtcdCoordination } from '@chappe/coordination/etcd-coordination';
import { z } from 'zod';
import { readTlsFiles, tlsVariables } from './access-variables.ts';
import { driverVariable, pathAfter } from './driver-variable.ts';
import { readServerUrl } from './server-url.ts';

export const coordinationVariables = {
  /**
   * `file:<path>`, or `etcd://host:port,host:port?prefix=/chappe&cluster=chappe`. `prefix` is where in etcd the
   * cluster's keys are (absent: `/chappe`); `cluster` is its name, the same in all its processes and
   * in no other cluster (absent: `chappe`): two clusters at one prefix are noticed by it.
   */
  CHAPPE_COORDINATION: driverVariable('file:data/coordination.sqlite', readDriver),
  ...tlsVariables('CHAPPE_COORDINATION'),
  CHAPPE_COORDINATION_USERNAME: z.string().optional(),
  CHAPPE_COORDINATION_PASSWORD: z.string().optional(),
};

/** The cluster's name, by which its topics and tables are marked; undefined on one machine's files. */
export function clusterNameOf({ CHAPPE_COORDINATION: driver }: Partial<CoordinationConfig>): string | undefined {
  return driver?.kind === 'etcd' ? driver.clusterId : undefined;
}

const schema = z.object(coordinationVariables);
export type CoordinationConfig = Readonly<z.output<typeof schema>>;

type Driver =
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'etcd';
      readonly endpoints: readonly string[];
      readonly prefix: string;
      readonly clusterId: string;
    };

/** @throws CoordinationError `unavailable` when it does not answer; ConfigError */
export async function openCoordination(config: CoordinationConfig): Promise<Coordination> {
  const driver = config.CHAPPE_COORDINATION;
  if (driver.kind === 'file') return openEmbeddedCoordination({ path: driver.path });
  const { endpoints, prefix, clusterId } = driver;
  const { CHAPPE_COORDINATION_USERNAME: username, CHAPPE_COORDINATION_PASSWORD: password } = config;
  return openEtcdCoordination({
    endpoints,
    prefix,
    clusterId,
    tls: readTlsFiles('CHAPPE_COORDINATION', config),
    auth: username === undefined || password === undefined ? undefined : { username, password },
  });
}

function readDriver(text: string): Driver {
  const path = pathAfter('file:', text);
  if (path !== undefined) return { kind: 'file', path };
  const { scheme, hosts, parameters } = readServerUrl(text, ['prefix', 'cluster']);
  if (scheme !== 'etcd') throw new Error('coordination is file:<path> or etcd://host:port');
  const [prefix, clusterId] = [parameters.get('prefix') ?? '/chappe', parameters.get('cluster') ?? 'chappe'];
  if (!/^(\/[\w.-]+)+$/.test(prefix)) throw new Error('prefix is like /chappe');
  if (clusterId === '') throw new Error('cluster is a name');
  return { kind: 'etcd', endpoints: hosts, prefix, clusterId };
}
