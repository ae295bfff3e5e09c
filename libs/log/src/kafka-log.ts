/**
 * The log in Kafka: a topic of one partition for each topic of the port.
 *
 * `appended` means in the page cache of the in-sync replicas, at least `minInSyncReplicas` brokers.
 * Append times are the leader's clock (`LogAppendTime`); where a topic changes its leader they can
 * step back by the difference of two clocks, and whoever decides by them takes the maximum so far.
 *
 * Each part says which trap it avoids: appending in `kafka-appender.ts`, reading in
 * `kafka-reader.ts`, names in `kafka-topics.ts`, sealing in `kafka-seal.ts`.
 */
import { checkTopicCount } from './check-records.ts';
import { KafkaAppender } from './kafka-appender.ts';
import { decodeBatches } from './kafka-batch.ts';
import { boundsOf } from './kafka-bounds.ts';
import { checkBrokers } from './kafka-check.ts';
import { KafkaCluster, parseBrokers } from './kafka-cluster.ts';
import type { KafkaAccess } from './kafka-connection.ts';
import { copiesOf } from './kafka-copies.ts';
import { checkCode, codes } from './kafka-error.ts';
import { fetchBytesMax, oneBatchBytes } from './kafka-limits.ts';
import { deleteRecordsRequest, fetchRequest } from './kafka-protocol.ts';
import { KafkaLogReader } from './kafka-reader.ts';
import { endOfSealed, sealTopics } from './kafka-seal.ts';
import { KafkaTopics } from './kafka-topics.ts';
import type { TopicShape } from './kafka-topics.ts';
import { appendRecordsMax } from './limits.ts';
import { LogError } from './log-error.ts';
import type { Append, AppendResult, KnownRecord, Log, LogReader, LogRecord, TopicCopies } from './log.ts';

export interface KafkaLogOptions extends KafkaAccess, TopicShape {
  /** `host:port`; some of the brokers are enough, the others are learned from them. */
  readonly brokers: readonly string[];
}

/**
 * Opens the log.
 *
 * @throws LogError `unavailable` if no broker answers, `invalid` if a broker is too old or is set up to
 *   create topics by itself, or an address is none.
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const cluster = new KafkaCluster(parseBrokers(options.brokers), options);
  try {
    await checkBrokers(cluster);
    const log = new KafkaLog(cluster, options);
    await log.prepare();
    return log;
  } catch (error) {
    cluster.close();
    throw error;
  }
}

class KafkaLog implements Log {
  readonly #cluster: KafkaCluster;
  readonly #appender: KafkaAppender;
  readonly #topics: KafkaTopics;
  readonly #readers = new Set<KafkaLogReader>();

  constructor(cluster: KafkaCluster, shape: TopicShape) {
    this.#cluster = cluster;
    this.#appender = new KafkaAppender(cluster);
    this.#topics = new KafkaTopics(cluster, this.#appender, shape, (topic, from, limit) =>
      this.readAt(topic, from, limit),
    );
  }

  prepare(): Promise<void> {
    return this.#topics.prepare();
  }

  createTopic(topic: string): Promise<void> {
    return this.#topics.create(topic);
  }

  deleteTopic(topic: string): Promise<void> {
    return this.#topics.delete(topic);
  }

  append(appends: readonly Append[]): Promise<AppendResult[]> {
    return this.#appender.append(appends);
  }

  async openReader(topic: string, from: number, last?: KnownRecord): Promise<LogReader> {
    checkOffset(from);
    const { first, end } = await boundsOf(this.#cluster, topic);
    if (from < first || from > end) throw new LogError('gap', `${topic} holds [${first}, ${end}), not ${from}`);
    if (last !== undefined && last.offset >= end) {
      throw new LogError('gap', `${topic} ends at ${end}: the record at ${last.offset} that was read is gone`);
    }
    const reader = new KafkaLogReader(this.#cluster, topic, from, last, () => this.#readers.delete(reader));
    this.#readers.add(reader);
    try {
      await reader.connect();
      return reader;
    } catch (error) {
      await reader[Symbol.asyncDispose]();
      throw error;
    }
  }

  async readAt(topic: string, from: number, limit: number): Promise<LogRecord[]> {
    checkOffset(from);
    if (!Number.isInteger(limit) || limit < 1 || limit > appendRecordsMax) {
      throw new LogError('invalid', `limit is 1 to ${appendRecordsMax}`);
    }
    const { first, end } = await boundsOf(this.#cluster, topic);
    const upTo = Math.min(from + limit, end);
    const records: LogRecord[] = [];
    for (let next = Math.max(from, first); next < upTo;) {
      const fetched = await this.#fetchNow(topic, next, limit === 1 ? oneBatchBytes : fetchBytesMax);
      if (fetched.length === 0)
        throw new LogError('unavailable', `${topic} did not give ${next}, below its end ${end}`);
      next += fetched.length;
      records.push(...fetched);
    }
    return records.slice(0, Math.max(0, upTo - Math.max(from, first)));
  }

  async end(topic: string): Promise<number> {
    return (await boundsOf(this.#cluster, topic)).end;
  }

  async copies(topics: readonly string[]): Promise<TopicCopies[]> {
    checkTopicCount(topics);
    return copiesOf(this.#cluster, topics);
  }

  seal(topics: readonly string[]): Promise<void> {
    return sealTopics(this.#cluster, topics);
  }

  sealedEnd(topic: string): Promise<number> {
    return endOfSealed(this.#cluster, topic);
  }

  async deleteBefore(topic: string, offset: number): Promise<void> {
    checkOffset(offset);
    await this.#cluster.atLeader(topic, async (connection) => {
      const { topics } = await connection.send(deleteRecordsRequest(topic, offset));
      const code = topics[0]?.partitions[0]?.errorCode;
      if (code === codes.offsetOutOfRange) throw new LogError('invalid', `${topic} ends below ${offset}`);
      checkCode(topic, code, 'deleting records of');
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.#readers) await reader[Symbol.asyncDispose]();
    await this.#appender.close();
    this.#cluster.close();
  }

  /** Fetches from a topic's leader what is there now, waiting for nothing. */
  #fetchNow(topic: string, from: number, maxBytes: number): Promise<LogRecord[]> {
    return this.#cluster.atLeader(topic, async (connection) => {
      const limits = { waitMs: 0, maxBytes };
      const { errorCode, batches } = await connection.send(fetchRequest(topic, from, limits));
      if (errorCode === codes.offsetOutOfRange) throw new LogError('gap', `${topic} does not hold ${from} any more`);
      checkCode(topic, errorCode, 'reading');
      return decodeBatches(topic, from, batches);
    });
  }
}

function checkOffset(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) throw new LogError('invalid', 'an offset is an integer from 0');
}
