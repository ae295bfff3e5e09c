/** Records of the log as Kafka messages: the contact is the key; kind, id and version are headers, readable by any Kafka tool. */
import type { KafkaMessage } from 'kafkajs';
import { recordOverheadBytes } from './kafka-limits.ts';
import type { OutgoingMessage } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';
import type { LogRecord, NewRecord } from './log.ts';

export function toMessage({ key, headers, value }: NewRecord): OutgoingMessage {
  return {
    key: Buffer.from(key),
    value: Buffer.from(value.buffer, value.byteOffset, value.byteLength),
    headers: {
      kind: Buffer.from(headers.kind),
      id: Buffer.from(headers.id),
      version: Buffer.from(String(headers.version)),
    },
  };
}

/** @throws LogError `gap` if it is not a record of the log: somebody else wrote to the topic, a person must look. */
export function toRecord(topic: string, { offset, timestamp, key, value, headers }: KafkaMessage): LogRecord {
  const [kind, id, version] = [headers?.['kind'], headers?.['id'], headers?.['version']];
  if (!Buffer.isBuffer(kind) || !Buffer.isBuffer(id) || !Buffer.isBuffer(version) || key === null || value === null) {
    throw new LogError('gap', `${topic} holds at ${offset} what the log did not write`);
  }
  return {
    offset: Number(offset),
    appendTimeMs: Number(timestamp),
    key: key.toString(),
    headers: { kind: kind.toString(), id: id.toString(), version: Number(version.toString()) },
    value,
  };
}

/** An upper bound of what records take in a batch. */
export function batchBytes(records: readonly NewRecord[]): number {
  let bytes = 0;
  for (const { key, headers, value } of records) {
    bytes += recordOverheadBytes + value.length;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(headers.kind) + Buffer.byteLength(headers.id);
  }
  return bytes;
}
