/**
 * Who leads a topic, from what several brokers say: the answer of the highest leader epoch counts.
 *
 * A broker that was paused or cut off believes for a moment that it still leads. It would answer with an
 * end that went back, which looks like a log that lost its tail; the new leader knows a higher epoch.
 */
import { codes, ElsewhereError } from './kafka-error.ts';
import type { KafkaMetadata } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';

export interface Leader {
  readonly nodeId: number;
  readonly epoch: number;
}

/**
 * @throws LogError `no_topic` if every broker says so, `invalid` if it is no topic of the log.
 * @throws ElsewhereError while there is no leader.
 */
export function chooseLeader(topic: string, answers: readonly KafkaMetadata[]): Leader {
  let best: Leader | undefined;
  let isMissing = true;
  for (const { topicMetadata } of answers) {
    const found = topicMetadata.find((entry) => entry.topic === topic);
    if (found === undefined || found.topicErrorCode === codes.unknownTopic) continue;
    if (found.topicErrorCode === codes.invalidTopic) throw new LogError('invalid', `${topic} is no name of a topic`);
    isMissing = false;
    const [partition, ...others] = found.partitionMetadata;
    if (others.length > 0) {
      throw new LogError(
        'invalid',
        `${topic} has ${1 + others.length} partitions: a topic of the log has one, and whoever added others has to take their records out and make it anew`,
      );
    }
    if (partition === undefined || partition.leaderEpoch < (best?.epoch ?? 0)) continue;
    best = { nodeId: partition.leader, epoch: partition.leaderEpoch };
  }
  if (isMissing) throw new LogError('no_topic', `there is no topic ${topic}`);
  if (best === undefined || best.nodeId < 0) throw new ElsewhereError(topic, codes.leaderNotAvailable);
  return best;
}
