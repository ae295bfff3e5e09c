/**
 * One Kafka node of a KRaft cluster on loopback: its settings, its storage format and its process.
 *
 * Every setting that is not a port or a folder is here for a reason of the log driver, see
 * `libs/log/src/kafka-check.ts`, which refuses brokers that are set up otherwise.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { onLoopback } from './places.ts';
import type { Place, Places, Site } from './places.ts';
import { runCommand, startServer } from './process-record.ts';

export interface KafkaNode {
  readonly id: number;
  /** Zone; replicas of a topic are spread over racks. */
  readonly rack: Site;
  /** Clients connect here; absent on a node that is a controller only. */
  readonly brokerPort?: number;
  /** Absent on a node that is a broker only. */
  readonly controllerPort?: number;
}

export interface KafkaCluster {
  readonly dataFolder: string;
  readonly jarsFolder: string;
  readonly nodes: readonly KafkaNode[];
  /** Absent: all on 127.0.0.1. */
  readonly places?: Places;
  /** Ids of the controllers that make a quorum; absent: all of them. */
  readonly voters?: readonly number[];
  /** Of the brokers' internal topics, and the default of new ones. */
  readonly replicationFactor: number;
  readonly minInSyncReplicas: number;
  /** Over the settings below, e.g. for TLS, or to try a broker that is set up wrongly. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Users made when the storage is formatted, as `SCRAM-SHA-256=[name=...,password=...]`. */
  readonly scramUsers?: readonly string[];
  /** Its nodes end with the process that started them. Absent: they live on. */
  readonly endsWithStarter?: boolean;
}

/** Fixed, so that formatting can be repeated; a cluster is told apart by its folder. */
const clusterId = 'Q2hhcHBlTG9jYWxTdGFjaw';

/** Five of them on two busy cores. */
const readyTimeoutMs = 120_000;

/** About 380 MB resident; a broker of the stack holds a few hundred small topics. */
const heapMebibytes = 256;

export function nodeName({ id }: KafkaNode): string {
  return `kafka-${id}`;
}

/** Formats the node's folder if it is new, and starts it if it does not run. */
export async function startKafkaNode(cluster: KafkaCluster, node: KafkaNode): Promise<'started' | 'running'> {
  const folder = `${cluster.dataFolder}/${nodeName(node)}`;
  const settingsPath = `${folder}/server.properties`;
  await mkdir(folder, { recursive: true });
  await writeFile(settingsPath, settingsOf(cluster, node, `${folder}/data`));
  if (!(await exists(`${folder}/data/meta.properties`))) {
    await runCommand('java', [
      ...javaOptions(cluster),
      'kafka.tools.StorageTool',
      'format',
      '--cluster-id',
      clusterId,
      '--config',
      settingsPath,
      ...(cluster.scramUsers ?? []).flatMap((user) => ['--add-scram', user]),
    ]);
  }
  return startServer(cluster.dataFolder, {
    name: nodeName(node),
    command: 'java',
    args: [...javaOptions(cluster), 'kafka.Kafka', settingsPath],
    host: placeOf(cluster, node).host,
    ports: node.brokerPort === undefined ? controllerPorts([node]) : [node.brokerPort],
    enter: placeOf(cluster, node).enter,
    readyTimeoutMs,
    endsWithStarter: cluster.endsWithStarter === true,
  });
}

export function brokerAddresses(cluster: KafkaCluster): string[] {
  return cluster.nodes.flatMap((node) =>
    node.brokerPort === undefined ? [] : [`${placeOf(cluster, node).host}:${node.brokerPort}`],
  );
}

function placeOf({ places = onLoopback }: KafkaCluster, { rack }: KafkaNode): Place {
  return places[rack];
}

function javaOptions({ jarsFolder }: KafkaCluster): string[] {
  return [
    `-Xms${heapMebibytes}m`,
    `-Xmx${heapMebibytes}m`,
    // Two cores shared by the whole stack: fewer threads and quicker starts matter more than peak speed.
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1',
    '-XX:+ExitOnOutOfMemoryError',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
    '-Dorg.slf4j.simpleLogger.showDateTime=true',
    '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
    '-cp',
    `${jarsFolder}/*`,
  ];
}

function settingsOf(cluster: KafkaCluster, node: KafkaNode, logFolder: string): string {
  const { brokerPort, controllerPort } = node;
  const isBroker = brokerPort !== undefined;
  const isController = controllerPort !== undefined;
  const { host } = placeOf(cluster, node);
  const listeners = [
    ...(isBroker ? [`PLAINTEXT://${host}:${brokerPort}`] : []),
    ...(isController ? [`CONTROLLER://${host}:${controllerPort}`] : []),
  ];
  const voters = cluster.nodes.flatMap((voter) =>
    voter.controllerPort === undefined || cluster.voters?.includes(voter.id) === false
      ? []
      : [`${voter.id}@${placeOf(cluster, voter).host}:${voter.controllerPort}`],
  );
  const settings: Record<string, string | number | boolean> = {
    'process.roles': [...(isBroker ? ['broker'] : []), ...(isController ? ['controller'] : [])].join(','),
    'node.id': node.id,
    'broker.rack': node.rack,
    listeners: listeners.join(','),
    ...(isBroker ? { 'advertised.listeners': `PLAINTEXT://${host}:${brokerPort}` } : {}),
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': voters.join(','),
    'log.dirs': logFolder,

    // A producer's typing error, or a deleted topic, must be an error and not a new topic.
    'auto.create.topics.enable': false,
    // A range's new owner waits for nobody: by default a fresh consumer group costs 3 s.
    'group.initial.rebalance.delay.ms': 0,
    'log.message.timestamp.type': 'LogAppendTime',
    'unclean.leader.election.enable': false,
    'default.replication.factor': cluster.replicationFactor,
    'min.insync.replicas': cluster.minInSyncReplicas,
    'num.partitions': 1,
    'log.retention.ms': -1,
    'offsets.topic.replication.factor': cluster.replicationFactor,
    'offsets.topic.num.partitions': 8,
    'transaction.state.log.replication.factor': cluster.replicationFactor,
    'transaction.state.log.min.isr': cluster.minInSyncReplicas,

    // A dead broker's partitions have a new leader within 3 s (default 9 s), so that fault runs are short.
    'broker.session.timeout.ms': 3_000,
    'broker.heartbeat.interval.ms': 500,
    'controlled.shutdown.enable': true,
    'num.network.threads': 2,
    'num.io.threads': 2,
    'num.replica.fetchers': 1,
    'log.cleaner.dedupe.buffer.size': 8 * 1024 * 1024,
    'log.segment.delete.delay.ms': 1_000,
    ...cluster.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

function controllerPorts(nodes: readonly KafkaNode[]): number[] {
  return nodes.flatMap(({ controllerPort }) => (controllerPort === undefined ? [] : [controllerPort]));
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
