/**
 * etcd in the local stack: one member, or three, of which two could be in the zones and the third a
 * witness: any one may be lost.
 */
import { mkdir } from 'node:fs/promises';
import { installMissing } from './debian-packages.ts';
import type { Places, Site } from './places.ts';
import { startServer } from './process-record.ts';
import type { StackContext, StackEnvironment, StackPart } from './stack-context.ts';

interface EtcdMember {
  readonly name: string;
  readonly site: Site;
  readonly clientPort: number;
  readonly peerPort: number;
}

const members: readonly EtcdMember[] = [
  { name: 'etcd-a', site: 'a', clientPort: 12_379, peerPort: 12_380 },
  { name: 'etcd-b', site: 'b', clientPort: 12_389, peerPort: 12_390 },
  { name: 'etcd-witness', site: 'witness', clientPort: 12_399, peerPort: 12_400 },
];

export const etcd: StackPart = {
  name: 'etcd',
  install: installEtcd,
  start: startEtcd,
  environment: etcdEnvironment,
};

/** Any etcd of 3.4 or later. */
function installEtcd({ report }: StackContext): Promise<void> {
  return installMissing([{ check: ['etcd', '--version'], debianPackage: 'etcd-server' }], report);
}

async function startEtcd(context: StackContext): Promise<void> {
  const all = membersOf(context);
  // All at once: none serves before a majority is there.
  await Promise.all(all.map((member) => startMember(context, member, all)));
}

function etcdEnvironment(context: StackContext): StackEnvironment {
  return {
    CHAPPE_ETCD_ENDPOINTS: membersOf(context)
      .map(({ site, clientPort }) => `${context.places[site].host}:${clientPort}`)
      .join(','),
  };
}

function membersOf({ zones }: StackContext): readonly EtcdMember[] {
  return zones === 2 ? members : members.slice(0, 1);
}

/**
 * Starts one member.
 *
 * @param more of its command line, e.g. `--force-new-cluster`
 */
export async function startEtcdMember(context: StackContext, name: string, ...more: readonly string[]): Promise<void> {
  const all = membersOf(context);
  const member = all.find((candidate) => candidate.name === name);
  if (member === undefined) throw new Error(`there is no etcd ${name}`);
  await startMember(context, member, all, more);
}

async function startMember(
  { dataFolder, places }: StackContext,
  member: EtcdMember,
  all: readonly EtcdMember[],
  more: readonly string[] = [],
): Promise<void> {
  const { host, enter } = places[member.site];
  const [client, peer] = [`http://${host}:${member.clientPort}`, peerUrl(places, member)];
  const folder = `${dataFolder}/${member.name}`;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await startServer(dataFolder, {
    name: member.name,
    command: 'etcd',
    args: [
      ['--name', member.name],
      ['--data-dir', folder],
      ['--listen-client-urls', client],
      ['--advertise-client-urls', client],
      ['--listen-peer-urls', peer],
      ['--initial-advertise-peer-urls', peer],
      ['--initial-cluster', all.map((other) => `${other.name}=${peerUrl(places, other)}`).join(',')],
      // Leases are renewed by the second and routing tables change all day: history is not kept for long.
      ['--auto-compaction-mode', 'periodic'],
      ['--auto-compaction-retention', '10m'],
      ['--logger', 'zap'],
      ['--log-level', 'warn'],
      more,
    ].flat(),
    host,
    ports: [member.clientPort],
    enter,
  });
}

function peerUrl(places: Places, { site, peerPort }: EtcdMember): string {
  return `http://${places[site].host}:${peerPort}`;
}
