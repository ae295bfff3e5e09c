/**
 * The cluster as the system under test: Kafka, etcd and MariaDB on this machine, and the processes of the
 * layout. All of it is new for each run, in a folder of the run's own, and is ended with it.
 */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentOf, identityOfCluster, makeDatabase } from '../cluster/environment.ts';
import { addressesOf, adminPortOf, dataFolder, initialBounds, members, type Member } from '../cluster/layout.ts';
import { nodeEnvironment } from '../cluster/node-settings.ts';
import { startMember, untilReady, type MemberOptions } from '../cluster/member-process.ts';
import { etcd } from '../stack/etcd.ts';
import { kafka, kafkaJarsFolder } from '../stack/kafka.ts';
import { mariadb } from '../stack/mariadb.ts';
import { runCommand, serversOf, stopServer } from '../stack/process-record.ts';
import { stackContext } from '../stack/stack-context.ts';
import type { Target, TargetOptions } from './target.ts';
import { keptBytes } from './traffic.ts';

const servers = [kafka, etcd, mariadb];

/** What one business may hand over: no limit of the test. */
const gatewayEnvironment = { CHAPPE_RATE_PER_SECOND: '1000000', CHAPPE_RATE_BURST: '1000000' };

export interface ClusterTarget extends Target {
  /** Starts it again after it was killed or stopped. */
  start(name: string): Promise<void>;
  stop(name: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Resolves when every process says that it is ready. */
  ready(): Promise<void>;
  /** What each process of a service tells Prometheus. */
  metrics(service: Member['service']): Promise<readonly string[]>;
  /** The names of Chappe's own processes. */
  readonly services: readonly string[];
}

/** @param folder of the servers; what an earlier run left there is ended and removed */
export async function startClusterTarget({ profiled }: TargetOptions, folder: string): Promise<ClusterTarget> {
  const stack = { ...stackContext(1, () => undefined), dataFolder: folder };
  const endAll = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<void> => {
    for (const place of [dataFolder, folder]) {
      const running = await serversOf(place);
      await Promise.all(running.map(({ name }) => stopServer(place, name, signal)));
    }
  };
  await endAll('SIGKILL');
  await rm(folder, { recursive: true, force: true });
  await rm(dataFolder, { recursive: true, force: true });
  await Promise.all(servers.map((part) => part.start(stack)));

  const startedAt = performance.now();
  const identity = await identityOfCluster();
  await makeDatabase(identity, 1);
  const optionsOf = ({ name, service }: Member): MemberOptions => ({
    identity,
    zones: 1,
    nodeArguments: name === profiled ? ['--cpu-prof', `--cpu-prof-dir=${folder}`] : [],
    // The shape is the test's: nothing is split or merged by itself.
    environment: {
      CHAPPE_LOG_LEVEL: 'warn',
      CHAPPE_RESHAPE_BY_LOAD: 'false',
      ...(service === 'gateway' ? gatewayEnvironment : {}),
    },
  });
  await Promise.all(members.map((member) => startMember(member, optionsOf(member))));
  await untilReady(members);
  const startMs = performance.now() - startedAt;

  return {
    mode: 'cluster',
    shape: shapeOf(),
    gateway: addressesOf('gateway'),
    devices: addressesOf('relay'),
    adminKey: identity.adminKey,
    codesFile: `${dataFolder}/registration-codes.jsonl`,
    durability: {
      kafka: 'one broker, acks=all, min.insync.replicas=1, page cache',
      mariadb: 'innodb_flush_log_at_trx_commit=1, sync_binlog=1',
      etcd: 'one member, fsync',
    },
    versions: await versionsOf(kafkaJarsFolder(stack)),
    startMs,
    processes: async () =>
      (await Promise.all([dataFolder, folder].map((place) => serversOf(place))))
        .flat()
        .filter(({ running }) => running)
        .map(({ name, pid }) => ({ name, part: name.split('-')[0] ?? name, pid })),
    kept: () => keptBytes(folder),
    floor: (part) => {
      const [member] = members;
      if (member === undefined) throw new Error('the layout has no process');
      const { CHAPPE_LOG = '', CHAPPE_STORE = '' } = environmentOf(member, identity, 1);
      return { environment: { CHAPPE_LOG, CHAPPE_STORE }, socket: `${folder}/floor-${part}.sock` };
    },
    profile: async () => {
      await stopServer(dataFolder, profiled ?? '');
      const name = (await readdir(folder)).find((file) => file.endsWith('.cpuprofile'));
      return readFile(join(folder, name ?? 'no profile'), 'utf8');
    },
    start: async (name) => {
      const member = members.find((candidate) => candidate.name === name);
      if (member === undefined) throw new Error(`there is no process ${name}`);
      await startMember(member, optionsOf(member));
    },
    stop: (name, signal) => stopServer(dataFolder, name, signal),
    ready: () => untilReady(members),
    metrics: (service) =>
      Promise.all(
        members
          .filter((member) => member.service === service)
          .map(async (member) => (await fetch(`http://127.0.0.1:${adminPortOf(member)}/metrics`)).text()),
      ),
    services: members.map(({ name }) => name),
    [Symbol.asyncDispose]: () => endAll('SIGKILL'),
  };
}

/** Brings what is missing on this machine. */
export async function installServers(): Promise<void> {
  const stack = stackContext(1, (line) => process.stdout.write(`${line}\n`));
  for (const part of servers) await part.install(stack);
}

function shapeOf(): string {
  const counts = new Map<string, number>();
  for (const { service } of members) counts.set(service, (counts.get(service) ?? 0) + 1);
  const services = [...counts].map(([service, count]) => `${count} ${service}`).join(', ');
  return `${services}; ${initialBounds.split(',').length + 1} ranges`;
}

async function versionsOf(jarsFolder: string): Promise<Record<string, string>> {
  const jars = await readdir(jarsFolder);
  const [mariadbText, etcdText] = await Promise.all([
    runCommand('mariadbd', ['--no-defaults', '--version']),
    runCommand('etcd', ['--version']),
  ]);
  return {
    kafka: jars.map((jar) => /^kafka_[\d.]+-([\d.]+)\.jar$/.exec(jar)?.[1]).find((found) => found !== undefined) ?? '',
    mariadb: /Ver ([\d.]+)/.exec(mariadbText)?.[1] ?? '',
    etcd: /Version: ([\d.]+)/.exec(etcdText)?.[1] ?? '',
    allocator: 'LD_PRELOAD' in nodeEnvironment ? 'jemalloc' : 'glibc',
  };
}
