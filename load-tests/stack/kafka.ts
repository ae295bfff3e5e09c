/**
 * Kafka in the local stack: one broker, or four in two zones.
 *
 * Two zones: brokers 1 and 2 in zone a, 3 and 4 in zone b, every topic on all four, two in-sync
 * replicas needed; controllers on 1 and 3 and on a witness, so that either zone may be lost.
 */
import { mkdir, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { brokerAddresses, startKafkaNode } from './kafka-node.ts';
import type { KafkaCluster, KafkaNode } from './kafka-node.ts';
import { installMissing, type Program } from './debian-packages.ts';
import { runCommand } from './process-record.ts';
import type { StackContext, StackEnvironment, StackPart } from './stack-context.ts';

const oneZone: readonly KafkaNode[] = [{ id: 1, rack: 'a', brokerPort: 19_092, controllerPort: 19_192 }];

const twoZones: readonly KafkaNode[] = [
  { id: 1, rack: 'a', brokerPort: 19_092, controllerPort: 19_192 },
  { id: 2, rack: 'a', brokerPort: 19_093 },
  { id: 3, rack: 'b', brokerPort: 19_094, controllerPort: 19_194 },
  { id: 4, rack: 'b', brokerPort: 19_095 },
  { id: 5, rack: 'witness', controllerPort: 19_196 },
];

export const kafka: StackPart = {
  name: 'kafka',
  install: installKafka,
  start: startKafka,
  environment: kafkaEnvironment,
};

/** Where the jars are on this machine once `installKafka` has run. */
export function kafkaJarsFolder({ softwareFolder }: Pick<StackContext, 'softwareFolder'>): string {
  return `${softwareFolder}/kafka-jars`;
}

/** Java 17 or later, and the jars of Kafka from Maven Central: 54 MB. */
async function installKafka({ softwareFolder, report }: StackContext): Promise<void> {
  const jarsFolder = kafkaJarsFolder({ softwareFolder });
  const isThere = await stat(`${jarsFolder}/.complete`).then(
    () => true,
    () => false,
  );
  const java: Program = { check: ['java', '-version'], debianPackage: 'default-jre-headless' };
  if (isThere) return installMissing([java], report);
  await installMissing([java, { check: ['mvn', '--version'], debianPackage: 'maven' }], report);
  report('downloading Kafka from Maven Central');
  await mkdir(jarsFolder, { recursive: true });
  const pom = fileURLToPath(new URL('pom.xml', import.meta.url));
  await runCommand('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${jarsFolder}`]);
  await mkdir(`${jarsFolder}/.complete`, { recursive: true });
}

async function startKafka(context: StackContext): Promise<void> {
  const cluster = clusterOf(context);
  // All at once: a controller does not serve before a majority of controllers is there.
  await Promise.all(cluster.nodes.map((node) => startKafkaNode(cluster, node)));
}

/**
 * Starts some of the nodes, with fewer controllers than there are to be.
 *
 * @param voters their ids
 */
export async function startKafkaNodes(
  context: StackContext,
  ids: readonly number[],
  voters: readonly number[],
): Promise<void> {
  const cluster = { ...clusterOf(context), voters };
  const nodes = cluster.nodes.filter(({ id }) => ids.includes(id));
  await Promise.all(nodes.map((node) => startKafkaNode(cluster, node)));
}

/** The command of one of Kafka's tools, e.g. `LeaderElectionCommand`, which is what its scripts start. */
export function kafkaTool(context: StackContext, name: string): string[] {
  const log = '-Dorg.slf4j.simpleLogger.defaultLogLevel=error';
  return ['java', '-Xmx128m', log, '-cp', `${kafkaJarsFolder(context)}/*`, `org.apache.kafka.tools.${name}`];
}

function kafkaEnvironment(context: StackContext): StackEnvironment {
  return {
    CHAPPE_KAFKA_BROKERS: brokerAddresses(clusterOf(context)).join(','),
    CHAPPE_KAFKA_REPLICATION: String(clusterOf(context).replicationFactor),
  };
}

function clusterOf(context: StackContext): KafkaCluster {
  const isReplicated = context.zones === 2;
  return {
    dataFolder: context.dataFolder,
    jarsFolder: kafkaJarsFolder(context),
    places: context.places,
    nodes: isReplicated ? twoZones : oneZone,
    replicationFactor: isReplicated ? 4 : 1,
    minInSyncReplicas: isReplicated ? 2 : 1,
  };
}
