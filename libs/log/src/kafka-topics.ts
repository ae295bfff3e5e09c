/**
 * Topics that come and go in Kafka, so that a name is never used twice.
 *
 * Kafka forgets a deleted topic, so deletions are recorded in a topic of their own, `deletedTopics`:
 * one record per name, kept for ever (about 100 bytes; a million reshapes are 100 MB). A deletion is
 * recorded before it is done, and a creation looks before AND after: whoever creates while another
 * deletes either sees the record and takes its topic back, or is seen and deleted by the other.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { KafkaAppender } from './kafka-appender.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { codes } from './kafka-error.ts';
import { batchBytesMax, propagationPollMs, propagationTimeoutMs } from './kafka-limits.ts';
import { createTopicRequest, deleteTopicRequest } from './kafka-protocol.ts';
import { topicPattern } from './limits.ts';
import { LogError } from './log-error.ts';
import type { LogRecord } from './log.ts';

/** Reserved: no topic of the log may have this name. */
const deletedTopics = 'chappe-deleted-topics';

export interface TopicShape {
  /** On how many brokers a topic lies; Kafka spreads them over racks. */
  readonly replicationFactor: number;
  /** How many of them must have an append before it is acknowledged. */
  readonly minInSyncReplicas: number;
}

export class KafkaTopics {
  readonly #cluster: KafkaCluster;
  readonly #appender: KafkaAppender;
  readonly #shape: TopicShape;
  readonly #readAt: (topic: string, from: number, limit: number) => Promise<LogRecord[]>;
  readonly #deleted = new Set<string>();
  #deletedEnd = 0;

  constructor(
    cluster: KafkaCluster,
    appender: KafkaAppender,
    shape: TopicShape,
    readAt: (topic: string, from: number, limit: number) => Promise<LogRecord[]>,
  ) {
    this.#cluster = cluster;
    this.#appender = appender;
    this.#shape = shape;
    this.#readAt = readAt;
  }

  /** Makes the topic that records deletions, unless it is there. */
  async prepare(): Promise<void> {
    if ((await this.#find(deletedTopics)) === 'missing') await this.#make(deletedTopics);
  }

  async create(topic: string): Promise<void> {
    if (!topicPattern.test(topic) || topic === deletedTopics) {
      throw new LogError('invalid', `a topic's name matches ${topicPattern.source} and is not ${deletedTopics}`);
    }
    await this.#refuseDeleted(topic);
    // For one that is there nobody asks the controller, which may be away.
    if ((await this.#find(topic)) === 'missing') await this.#make(topic);
    else await this.#untilEverywhere(topic, 'led');
    try {
      await this.#refuseDeleted(topic);
    } catch (error) {
      await this.#remove(topic);
      throw error;
    }
  }

  async delete(topic: string): Promise<void> {
    if (!topicPattern.test(topic) || topic === deletedTopics) return;
    if ((await this.#find(topic)) === 'missing') return;
    await this.#catchUp();
    if (!this.#deleted.has(topic)) {
      const record = { key: topic, headers: { kind: 'deleted', id: topic, version: 1 }, value: new Uint8Array(0) };
      const [result] = await this.#appender.append([{ topic: deletedTopics, records: [record] }]);
      if (result?.kind !== 'appended') {
        throw result?.error ?? new LogError('unavailable', `the deletion of ${topic} was not recorded`);
      }
    }
    await this.#remove(topic);
  }

  async #refuseDeleted(topic: string): Promise<void> {
    await this.#catchUp();
    if (this.#deleted.has(topic)) throw new LogError('no_topic', `${topic} was deleted; its name is never used again`);
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const records = await this.#readAt(deletedTopics, this.#deletedEnd, 10_000);
      if (records.length === 0) return;
      for (const { key, offset } of records) {
        this.#deleted.add(key);
        this.#deletedEnd = Math.max(this.#deletedEnd, offset + 1);
      }
    }
  }

  async #make(topic: string): Promise<void> {
    const { replicationFactor, minInSyncReplicas } = this.#shape;
    const { topicErrors } = await this.#cluster.changeByAny(
      createTopicRequest(topic, replicationFactor, {
        'cleanup.policy': 'delete',
        'retention.ms': '-1',
        'retention.bytes': '-1',
        'message.timestamp.type': 'LogAppendTime',
        'min.insync.replicas': String(minInSyncReplicas),
        'unclean.leader.election.enable': 'false',
        'max.message.bytes': String(batchBytesMax),
      }),
    );
    const [outcome] = topicErrors;
    switch (outcome?.errorCode) {
      case codes.none:
      case codes.topicAlreadyExists:
        await this.#untilEverywhere(topic, 'led');
        return;
      case codes.invalidTopic:
      case codes.invalidConfig:
      case codes.policyViolation:
        throw new LogError('invalid', `Kafka refuses ${topic}: ${outcome.errorMessage ?? ''}`);
      default:
        throw new LogError(
          'unavailable',
          `${topic} was not made: ${outcome?.errorMessage ?? outcome?.errorCode ?? ''}`,
        );
    }
  }

  async #remove(topic: string): Promise<void> {
    const { topicErrors } = await this.#cluster.changeByAny(deleteTopicRequest(topic));
    this.#cluster.forgetLeader(topic);
    const code = topicErrors[0]?.errorCode;
    if (code !== codes.none && code !== codes.unknownTopic) {
      throw new LogError('unavailable', `${topic} was not deleted: Kafka error ${code ?? ''}`);
    }
    await this.#untilEverywhere(topic, 'missing');
  }

  /**
   * Whether a topic is there, as at least one live broker knows it.
   *
   * @throws LogError `unavailable`, rather than guessing.
   */
  async #find(topic: string): Promise<'there' | 'missing'> {
    const { topicMetadata } = await this.#cluster.metadata([topic]);
    const code = topicMetadata[0]?.topicErrorCode;
    if (code === codes.invalidTopic) throw new LogError('invalid', `${topic} is no name of a topic`);
    return code === codes.unknownTopic ? 'missing' : 'there';
  }

  /** Brokers learn of a change one by one: whoever is told of a topic next may ask any of them. */
  async #untilEverywhere(topic: string, state: 'led' | 'missing'): Promise<void> {
    const deadline = performance.now() + propagationTimeoutMs;
    for (;;) {
      const { brokers } = await this.#cluster.metadata([]);
      const states = await Promise.all(brokers.map((broker) => this.#cluster.knowledgeOf(topic, broker)));
      if (states.every((known) => known === state)) return;
      if (performance.now() > deadline) throw new LogError('unavailable', `not every broker knows of ${topic} yet`);
      await pause(propagationPollMs);
    }
  }
}
