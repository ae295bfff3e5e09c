/** How many copies of topics are in sync, and in how many zones they lie: by the racks of the brokers that live. */
import type { KafkaCluster } from './kafka-cluster.ts';
import { codes } from './kafka-error.ts';
import type { KafkaMetadata } from './kafka-protocol.ts';
import type { TopicCopies } from './log.ts';

/** @throws LogError `unavailable` */
export async function copiesOf(cluster: KafkaCluster, topics: readonly string[]): Promise<TopicCopies[]> {
  return copiesIn(await cluster.metadata(topics));
}

function copiesIn({ brokers, topicMetadata }: KafkaMetadata): TopicCopies[] {
  const zones = new Map(brokers.map(({ nodeId, rack }) => [nodeId, rack ?? '']));
  return topicMetadata.flatMap(({ topic, topicErrorCode, partitionMetadata: [partition] }) => {
    // An error of the partition, e.g. that it has no leader, is no reason to say nothing of its copies.
    if (topicErrorCode !== codes.none || partition === undefined) return [];
    const { replicas, inSync } = partition;
    const living = inSync.filter((nodeId) => zones.has(nodeId));
    const inSyncZones = new Set(living.map((nodeId) => zones.get(nodeId))).size;
    return [{ topic, wanted: replicas.length, inSync: living.length, inSyncZones }];
  });
}
