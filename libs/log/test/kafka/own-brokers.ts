/**
 * Brokers of a test's own, to be killed, paused and set up otherwise: real Kafka, in a temporary folder.
 *
 * The controller is a process of its own, so that brokers can be lost without losing it.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brokerAddresses, nodeName, startKafkaNode } from '../../../../load-tests/stack/kafka-node.ts';
import type { KafkaCluster as Brokers, KafkaNode } from '../../../../load-tests/stack/kafka-node.ts';
import { kafkaJarsFolder } from '../../../../load-tests/stack/kafka.ts';
import { accepts, serversOf, signalServer, stopServer } from '../../../../load-tests/stack/process-record.ts';
import { stackContext } from '../../../../load-tests/stack/stack-context.ts';
import type { KafkaLogOptions } from '../../src/kafka-log.ts';

export interface OwnBrokers extends AsyncDisposable {
  readonly options: KafkaLogOptions;
  /** The broker of a port, for `pause` and the others. */
  readonly brokerAt: (port: number) => KafkaNode;
  readonly brokers: readonly KafkaNode[];
  readonly kill: (broker: KafkaNode) => Promise<void>;
  readonly pause: (broker: KafkaNode) => Promise<void>;
  readonly resume: (broker: KafkaNode) => Promise<void>;
  readonly start: (broker: KafkaNode) => Promise<void>;
  /** Copies the files of a broker that does not run. */
  readonly backUp: (broker: KafkaNode) => Promise<void>;
  /** Gives a broker that does not run the files of its backup. */
  readonly restore: (broker: KafkaNode) => Promise<void>;
}

export async function startBrokers(
  count: number,
  set: Pick<Brokers, 'settings' | 'scramUsers'> = {},
): Promise<OwnBrokers> {
  const [controllerPort, ...brokerPorts] = await freePorts(count + 1);
  const controller: KafkaNode = { id: 9, rack: 'witness', controllerPort };
  const brokers = brokerPorts.map((brokerPort, index): KafkaNode & { brokerPort: number } => ({
    id: index + 1,
    rack: index % 2 === 0 ? 'a' : 'b',
    brokerPort,
  }));
  const cluster: Brokers = {
    dataFolder: await mkdtemp(join(tmpdir(), 'chappe-kafka-')),
    jarsFolder: kafkaJarsFolder(stackContext(1, () => {})),
    nodes: [controller, ...brokers],
    replicationFactor: count,
    minInSyncReplicas: Math.min(2, count),
    endsWithStarter: true,
    ...set,
  };
  const { dataFolder } = cluster;
  const folderOf = (broker: KafkaNode): string => join(dataFolder, nodeName(broker));
  const own: OwnBrokers = {
    options: {
      brokers: brokerAddresses(cluster),
      clientId: 'chappe-test',
      replicationFactor: cluster.replicationFactor,
      minInSyncReplicas: cluster.minInSyncReplicas,
    },
    brokers,
    brokerAt(port) {
      const broker = brokers.find(({ brokerPort }) => brokerPort === port);
      if (broker === undefined) throw new Error(`no broker on ${port}`);
      return broker;
    },
    kill: (broker) => stopServer(dataFolder, nodeName(broker), 'SIGKILL'),
    pause: (broker) => signalServer(dataFolder, nodeName(broker), 'SIGSTOP'),
    resume: (broker) => signalServer(dataFolder, nodeName(broker), 'SIGCONT'),
    async start(broker) {
      await startKafkaNode(cluster, broker);
    },
    backUp: (broker) => cp(folderOf(broker), `${folderOf(broker)}.backup`, { recursive: true }),
    async restore(broker) {
      await rm(folderOf(broker), { recursive: true });
      await cp(`${folderOf(broker)}.backup`, folderOf(broker), { recursive: true });
    },
    async [Symbol.asyncDispose]() {
      for (const { name } of await serversOf(dataFolder)) await stopServer(dataFolder, name, 'SIGKILL');
      await rm(dataFolder, { recursive: true });
    },
  };
  try {
    await Promise.all(cluster.nodes.map((node) => startKafkaNode(cluster, node)));
    return own;
  } catch (error) {
    await own[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Ports in a row that nobody listens on. They lie below those that the kernel gives to clients, so that a broker
 * which is started again finds its own free, and differ between test files that run side by side.
 */
async function freePorts(count: number): Promise<[number, ...number[]]> {
  for (let first = 22_000 + (process.pid % 900) * 10; ; first += 10) {
    const others = Array.from({ length: count - 1 }, (_, index) => first + 1 + index);
    const taken = await Promise.all([first, ...others].map((port) => accepts(port)));
    if (!taken.some(Boolean)) return [first, ...others];
  }
}

/** Tries again until it goes through; the test runner's own limit is the end. */
export async function until<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (attempt === 60) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
