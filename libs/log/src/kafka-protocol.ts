/**
 * The requests of the Kafka protocol that the log makes, each in one fixed version, typed.
 *
 * Records, requests and answers are encoded and decoded by `kafkajs`; its clients are not used. A
 * consumer of it jumps silently to offset 0 when its position is out of range and forgets a seek when
 * its group joins anew, a producer creates missing topics and fails a request over many topics as one
 * although some were written: here every answer is seen partition by partition, and nothing is
 * retried unseen. The deep imports hold because the version is pinned exactly.
 *
 * What kafkajs lacks, or does at ten times the cost, is written out here, see https://kafka.apache.org/protocol.html:
 * Produce v7, Fetch v11, Metadata v7 (with leader epochs), IncrementalAlterConfigs v0, OffsetForLeaderEpoch v2.
 */
import { createRequire } from 'node:module';

/** What a connection sends, and how it reads the answer. */
export interface KafkaRequest<T> {
  readonly request: EncodedRequest;
  readonly decode: (payload: Buffer) => Promise<T> | T;
}

export interface EncodedRequest {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly apiName: string;
  readonly encode: () => Promise<Encoder>;
}

export interface KafkaMetadata {
  readonly brokers: readonly {
    readonly nodeId: number;
    readonly host: string;
    readonly port: number;
    /** Null: the broker names none. */
    readonly rack: string | null;
  }[];
  readonly clusterId: string;
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number;
      readonly leader: number;
      /** Counts the changes of the leader. */
      readonly leaderEpoch: number;
      /** Node ids. */
      readonly replicas: readonly number[];
      readonly inSync: readonly number[];
    }[];
  }[];
}

export interface ProducedPartition {
  readonly errorCode: number;
  readonly baseOffset: number;
  /** Milliseconds since 1970; -1 if the topic is not set up to stamp times. */
  readonly logAppendTime: number;
}

export interface FetchedPartition {
  readonly errorCode: number;
  /** Record batches, the last perhaps cut off. */
  readonly batches: Buffer;
}

interface Encoder {
  readonly buffer: Buffer;
  writeInt8(value: number): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeString(value: string | null): Encoder;
  writeBytes(value: Buffer): Encoder;
  writeBoolean(value: boolean): Encoder;
  writeArray(values: readonly Encoder[]): Encoder;
}

interface Decoder {
  readInt8(): number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint | { toString(): string };
  readString(): string;
  readBytes(): Buffer | null;
  readArray<T>(read: (decoder: Decoder) => T): T[];
}

interface Definition {
  readonly protocol: (options: { version: number }) => (fields: object) => {
    readonly request: EncodedRequest;
    readonly response: { readonly decode: (payload: Buffer) => Promise<unknown> };
  };
}

const require = createRequire(import.meta.url);
const { requests } = require('kafkajs/src/protocol/requests/index.js') as { requests: Record<string, Definition> };
const newEncoder = require('kafkajs/src/protocol/encoder.js') as new () => Encoder;
const newDecoder = require('kafkajs/src/protocol/decoder.js') as new (payload: Buffer) => Decoder;
const frameRequest = require('kafkajs/src/protocol/request.js') as (options: {
  correlationId: number;
  clientId: string;
  request: EncodedRequest;
}) => Promise<Encoder>;

/** The versions in use, by API key; all of them are understood by brokers from 2.3 to 4.x. */
export const usedVersions: ReadonlyMap<number, { readonly name: string; readonly version: number }> = new Map(
  Object.entries({
    Produce: [0, 7],
    Fetch: [1, 11],
    ListOffsets: [2, 3],
    Metadata: [3, 7],
    CreateTopics: [19, 3],
    DeleteTopics: [20, 1],
    DeleteRecords: [21, 1],
    OffsetForLeaderEpoch: [23, 2],
    DescribeConfigs: [32, 2],
    IncrementalAlterConfigs: [44, 0],
  }).map(([name, [apiKey = 0, version = 0]]) => [apiKey, { name, version }]),
);

/** The bytes of a request with its length and header. */
export async function frame(request: EncodedRequest, correlationId: number, clientId: string): Promise<Buffer> {
  return (await frameRequest({ request, correlationId, clientId })).buffer;
}

export function apiVersionsRequest(): KafkaRequest<{
  errorCode: number;
  apiVersions: { apiKey: number; minVersion: number; maxVersion: number }[];
}> {
  return build('ApiVersions', 2, {});
}

/** Brokers, and some topics (none are asked for by an empty list). */
export function metadataRequest(topics: readonly string[]): KafkaRequest<KafkaMetadata> {
  return {
    request: {
      apiKey: 3,
      apiVersion: 7,
      apiName: 'Metadata',
      async encode() {
        const encoder = new newEncoder().writeInt32(topics.length);
        for (const topic of topics) encoder.writeString(topic);
        const allowAutoTopicCreation = false;
        return encoder.writeBoolean(allowAutoTopicCreation);
      },
    },
    decode(payload) {
      const decoder = new newDecoder(payload);
      decoder.readInt32();
      const brokers = decoder.readArray((broker) => ({
        nodeId: broker.readInt32(),
        host: broker.readString(),
        port: broker.readInt32(),
        rack: broker.readString(),
      }));
      const clusterId = decoder.readString();
      decoder.readInt32();
      return { brokers, clusterId, topicMetadata: decoder.readArray(readTopicMetadata) };
    },
  };
}

function readTopicMetadata(decoder: Decoder): KafkaMetadata['topicMetadata'][number] {
  const topicErrorCode = decoder.readInt16();
  const topic = decoder.readString();
  decoder.readInt8();
  const partitionMetadata = decoder.readArray((partition) => {
    const partitionErrorCode = partition.readInt16();
    partition.readInt32();
    const [leader, leaderEpoch] = [partition.readInt32(), partition.readInt32()];
    const nodeIds = (): number[] => partition.readArray((item) => item.readInt32());
    const [replicas, inSync] = [nodeIds(), nodeIds()];
    // Those offline.
    nodeIds();
    return { partitionErrorCode, leader, leaderEpoch, replicas, inSync };
  });
  return { topicErrorCode, topic, partitionMetadata };
}

/** One batch (kafka-batch.ts) for each topic, acknowledged by all in-sync replicas, or (`leader`) by the leader alone. */
export function produceRequest(
  batches: readonly { readonly topic: string; readonly batch: Buffer }[],
  timeoutMs: number,
  acknowledgedBy: 'all' | 'leader' = 'all',
): KafkaRequest<ReadonlyMap<string, ProducedPartition | undefined>> {
  return {
    request: {
      apiKey: 0,
      apiVersion: 7,
      apiName: 'Produce',
      async encode() {
        const noTransaction = null;
        const encoder = new newEncoder().writeString(noTransaction).writeInt16(acknowledgedBy === 'all' ? -1 : 1);
        encoder.writeInt32(timeoutMs).writeInt32(batches.length);
        for (const { topic, batch } of batches) {
          // One partition, number 0.
          encoder.writeString(topic).writeInt32(1).writeInt32(0).writeBytes(batch);
        }
        return encoder;
      },
    },
    decode(payload) {
      const topics = new newDecoder(payload).readArray((item) => {
        const topic = item.readString();
        const [partition] = item.readArray(readProducedPartition);
        return [topic, partition] as const;
      });
      return new Map(topics);
    },
  };
}

function readProducedPartition(decoder: Decoder): ProducedPartition {
  decoder.readInt32();
  const errorCode = decoder.readInt16();
  const [baseOffset, logAppendTime] = [numberIn(decoder), numberIn(decoder)];
  // Where the log starts.
  decoder.readInt64();
  return { errorCode, baseOffset, logAppendTime };
}

/** Of one topic; the broker answers when there is at least one record, or after `waitMs`. */
export function fetchRequest(
  topic: string,
  fetchOffset: number,
  limits: { readonly waitMs: number; readonly maxBytes: number },
): KafkaRequest<FetchedPartition> {
  return {
    request: {
      apiKey: 1,
      apiVersion: 11,
      apiName: 'Fetch',
      async encode() {
        const [noReplica, minBytes, readUncommitted, noSession, anyEpoch, anyStart] = [-1, 1, 0, 0, -1, -1];
        const encoder = new newEncoder().writeInt32(noReplica).writeInt32(limits.waitMs).writeInt32(minBytes);
        encoder.writeInt32(limits.maxBytes).writeInt8(readUncommitted).writeInt32(noSession).writeInt32(anyEpoch);
        encoder.writeInt32(1).writeString(topic).writeInt32(1).writeInt32(0).writeInt32(anyEpoch);
        encoder.writeInt64(fetchOffset).writeInt64(anyStart).writeInt32(limits.maxBytes);
        const [forgottenTopics, anyRack] = [0, ''];
        return encoder.writeInt32(forgottenTopics).writeString(anyRack);
      },
    },
    decode(payload) {
      const decoder = new newDecoder(payload);
      // Throttling.
      decoder.readInt32();
      const errorCode = decoder.readInt16();
      // The session.
      decoder.readInt32();
      const [partition] = decoder.readArray((item) => {
        item.readString();
        return item.readArray(readFetchedPartition)[0];
      });
      return partition ?? { errorCode, batches: Buffer.alloc(0) };
    },
  };
}

function readFetchedPartition(decoder: Decoder): FetchedPartition {
  decoder.readInt32();
  const errorCode = decoder.readInt16();
  // High watermark, last stable offset, start of the log.
  for (let count = 0; count < 3; count += 1) decoder.readInt64();
  decoder.readArray((aborted) => [aborted.readInt64(), aborted.readInt64()]);
  // A replica that is nearer.
  decoder.readInt32();
  return { errorCode, batches: decoder.readBytes() ?? Buffer.alloc(0) };
}

function numberIn(decoder: Decoder): number {
  return Number(decoder.readInt64().toString());
}

/** The first offset that is there (`earliest`), or the one after the last that is replicated (`latest`). */
export function listOffsetsRequest(
  topic: string,
  which: 'earliest' | 'latest',
): KafkaRequest<{ responses: { partitions: { errorCode: number; offset: string }[] }[] }> {
  return build('ListOffsets', 3, {
    replicaId: -1,
    isolationLevel: 0,
    topics: [{ topic, partitions: [{ partition: 0, timestamp: which === 'earliest' ? -2 : -1 }] }],
  });
}

export function createTopicRequest(
  topic: string,
  replicationFactor: number,
  settings: Readonly<Record<string, string>>,
): KafkaRequest<{ topicErrors: { errorCode: number; errorMessage: string | null }[] }> {
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  return build('CreateTopics', 3, {
    topics: [{ topic, numPartitions: 1, replicationFactor, configEntries }],
    validateOnly: false,
    timeout: 4_000,
  });
}

export function deleteTopicRequest(topic: string): KafkaRequest<{ topicErrors: { errorCode: number }[] }> {
  return build('DeleteTopics', 1, { topics: [topic], timeout: 4_000 });
}

export function deleteRecordsRequest(
  topic: string,
  offset: number,
): KafkaRequest<{ topics: { partitions: { errorCode: number }[] }[] }> {
  return build('DeleteRecords', 1, { topics: [{ topic, partitions: [{ partition: 0, offset }] }], timeout: 4_000 });
}

export function describeConfigsRequest(
  type: 'topic' | 'broker',
  name: string,
  configNames: readonly string[],
): KafkaRequest<{ resources: { errorCode: number; configEntries: { configName: string; configValue: string }[] }[] }> {
  return build('DescribeConfigs', 2, { resources: [{ type: resourceTypes[type], name, configNames }] });
}

const resourceTypes = { topic: 2, broker: 4 };

/**
 * Sets some settings of topics and leaves the others as they are. (AlterConfigs, which kafkajs has, resets all others.)
 *
 * @returns what became of it, by topic
 */
export function alterTopicsRequest(
  topics: readonly string[],
  settings: Readonly<Record<string, string>>,
): KafkaRequest<ReadonlyMap<string, { errorCode: number; errorMessage: string | null }>> {
  const setOperation = 0;
  const configs = Object.entries(settings).map(([name, value]) =>
    new newEncoder().writeString(name).writeInt8(setOperation).writeString(value),
  );
  const resources = topics.map((topic) =>
    new newEncoder().writeInt8(resourceTypes.topic).writeString(topic).writeArray(configs),
  );
  return {
    request: {
      apiKey: 44,
      apiVersion: 0,
      apiName: 'IncrementalAlterConfigs',
      encode: async () => new newEncoder().writeArray(resources).writeBoolean(false),
    },
    decode(payload) {
      const decoder = new newDecoder(payload);
      decoder.readInt32();
      const outcomes = decoder.readArray((item) => ({
        errorCode: item.readInt16(),
        errorMessage: item.readString(),
        resource: { type: item.readInt8(), name: item.readString() },
      }));
      return new Map(outcomes.map((outcome) => [outcome.resource.name, outcome]));
    },
  };
}

/** Where a leader's own log ends, replicated or not, if it leads since this leader epoch; else its answer is an error. */
export function leaderEndRequest(topic: string, leaderEpoch: number): KafkaRequest<{ errorCode: number; end: number }> {
  const partition = new newEncoder().writeInt32(0).writeInt32(leaderEpoch).writeInt32(leaderEpoch);
  const body = new newEncoder().writeString(topic).writeArray([partition]);
  return {
    request: {
      apiKey: 23,
      apiVersion: 2,
      apiName: 'OffsetForLeaderEpoch',
      encode: async () => new newEncoder().writeArray([body]),
    },
    decode(payload) {
      const decoder = new newDecoder(payload);
      decoder.readInt32();
      const topics = decoder.readArray((item) => {
        item.readString();
        return item.readArray((answer) => {
          const errorCode = answer.readInt16();
          answer.readInt32();
          answer.readInt32();
          return { errorCode, end: numberIn(answer) };
        });
      });
      return topics[0]?.[0] ?? { errorCode: -1, end: -1 };
    },
  };
}

export function saslHandshakeRequest(
  mechanism: string,
): KafkaRequest<{ errorCode: number; enabledMechanisms: string[] }> {
  return build('SaslHandshake', 1, { mechanism });
}

export function saslAuthenticateRequest(
  authBytes: Buffer,
): KafkaRequest<{ errorCode: number; errorMessage: string | null; authBytes: Buffer; sessionLifetimeMs: string }> {
  return build('SaslAuthenticate', 1, { authBytes });
}

function build<T>(name: string, version: number, fields: object): KafkaRequest<T> {
  const definition = requests[name];
  if (definition === undefined) throw new Error(`kafkajs has no request ${name}`);
  const { request, response } = definition.protocol({ version })(fields);
  return { request, decode: async (payload) => (await response.decode(payload)) as T };
}
