/** Where a topic begins and ends, as its leader says and the other brokers confirm that it is the leader. */
import type { KafkaCluster } from './kafka-cluster.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import { checkCode } from './kafka-error.ts';
import { listOffsetsRequest } from './kafka-protocol.ts';

export interface Bounds {
  /** The first offset that is there. */
  readonly first: number;
  /** The one after the last that is replicated. */
  readonly end: number;
}

export function boundsOf(cluster: KafkaCluster, topic: string): Promise<Bounds> {
  return cluster.atConfirmedLeader(topic, async (connection) => {
    const [first, end] = await Promise.all([
      offsetOf(connection, topic, 'earliest'),
      offsetOf(connection, topic, 'latest'),
    ]);
    return { first, end };
  });
}

async function offsetOf(connection: KafkaConnection, topic: string, which: 'earliest' | 'latest'): Promise<number> {
  const { responses } = await connection.send(listOffsetsRequest(topic, which));
  const partition = responses[0]?.partitions[0];
  checkCode(topic, partition?.errorCode, 'reading the bounds of');
  return Number(partition?.offset);
}
