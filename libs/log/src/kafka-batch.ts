/**
 * Record batches as Kafka has them on the wire and on disk (format 2: https://kafka.apache.org/documentation/#recordbatch):
 * our records into one batch, and the batches of a fetch into records.
 *
 * The key of a record is its contact or range; kind, id and version are its headers, readable by any Kafka
 * tool. kafkajs does this as well, but at ten times the cost, and every record passes here four times.
 */
import { createRequire } from 'node:module';
import { textAt } from '@chappe/codec/repeated-text';
import { LogError } from './log-error.ts';
import type { LogRecord, NewRecord } from './log.ts';

const crc32c = createRequire(import.meta.url)('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (
  bytes: Buffer,
) => number;

/** Up to and with the number of records. */
const headBytes = 61;
/** Base offset and length come before what the length counts. */
const prefixBytes = 12;
const checksumAt = 17;
const attributesAt = 21;
const lastOffsetDeltaAt = 23;
const compressionMask = 0x07;
const appendTimeMask = 0x08;

/** One batch, uncompressed. Its times are the broker's to stamp. */
export function encodeBatch(records: readonly NewRecord[]): Buffer {
  const sizes = records.map(bodyBytes);
  let total = headBytes;
  for (const size of sizes) total += varintBytes(size) + size;
  const batch = Buffer.allocUnsafe(total);
  const now = BigInt(Date.now());
  batch.writeBigInt64BE(0n, 0);
  batch.writeInt32BE(total - prefixBytes, 8);
  const noLeaderEpoch = -1;
  batch.writeInt32BE(noLeaderEpoch, 12);
  batch.writeInt8(2, 16);
  batch.writeInt16BE(0, attributesAt);
  batch.writeInt32BE(records.length - 1, lastOffsetDeltaAt);
  batch.writeBigInt64BE(now, 27);
  batch.writeBigInt64BE(now, 35);
  // No idempotent producer: id, epoch and sequence are none.
  batch.fill(0xff, 43, 57);
  batch.writeInt32BE(records.length, 57);
  let at = headBytes;
  for (const [index, record] of records.entries()) at = writeRecord(batch, at, record, index, sizes[index] ?? 0);
  batch.writeUInt32BE(crc32c(batch.subarray(attributesAt)) >>> 0, checksumAt);
  return batch;
}

/**
 * The records of the batches that a fetch brought, from an offset on: a batch comes whole, so lower ones may be
 * before it. The last batch may be cut off.
 *
 * @throws LogError `gap` for an offset that is not the next one, and for what the log did not write: a person must look
 */
export function decodeBatches(topic: string, from: number, bytes: Buffer): LogRecord[] {
  const records: LogRecord[] = [];
  for (let at = 0; at + prefixBytes <= bytes.length;) {
    const end = at + prefixBytes + bytes.readInt32BE(at + 8);
    if (end > bytes.length) break;
    readBatch(topic, from, bytes.subarray(at, end), records);
    at = end;
  }
  return records;
}

function readBatch(topic: string, from: number, batch: Buffer, records: LogRecord[]): void {
  const firstOffset = Number(batch.readBigInt64BE(0));
  const attributes = batch.readInt16BE(attributesAt);
  const count = batch.readInt32BE(57);
  if (firstOffset + batch.readInt32BE(lastOffsetDeltaAt) < from) return;
  const isStamped = (attributes & appendTimeMask) !== 0;
  if (batch.readInt8(16) !== 2 || (attributes & compressionMask) !== 0 || !isStamped) throw foreign(topic, firstOffset);
  const appendTimeMs = Number(batch.readBigInt64BE(35));
  const reader = new RecordReader(batch, headBytes);
  for (let index = 0; index < count; index += 1) {
    const record = reader.next(firstOffset, appendTimeMs);
    if (record === undefined) throw foreign(topic, firstOffset + index);
    if (record.offset < from) continue;
    const expected = from + records.length;
    if (record.offset !== expected)
      throw new LogError('gap', `${topic} has record ${record.offset} where ${expected} is expected`);
    records.push(record);
  }
}

function foreign(topic: string, offset: number): LogError {
  return new LogError('gap', `${topic} holds at ${offset} what the log did not write`);
}

/** Reads records one after the other. */
class RecordReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  /** Undefined: it is not a record of the log. */
  next(firstOffset: number, appendTimeMs: number): LogRecord | undefined {
    const size = this.#varint();
    const end = this.#at + size;
    this.#at += 1;
    this.#varint();
    const offset = firstOffset + this.#varint();
    const key = this.#text();
    const value = this.#slice();
    let [kind, id, version]: (string | undefined)[] = [];
    for (let left = this.#varint(); left > 0; left -= 1) {
      const name = this.#text();
      const text = this.#text();
      if (name === 'kind') kind = text;
      else if (name === 'id') id = text;
      else if (name === 'version') version = text;
    }
    if (this.#at !== end || key === undefined || value === undefined) return undefined;
    if (kind === undefined || id === undefined || version === undefined) return undefined;
    return { offset, appendTimeMs, key, headers: { kind, id, version: Number(version) }, value };
  }

  /** Zigzag; everything here fits into 32 bits but a time's difference, which is not looked at. */
  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || shift > 63) return Number.NaN;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (value >>> 1) ^ -(value & 1);
    }
  }

  #slice(): Buffer | undefined {
    const length = this.#varint();
    if (!(length >= 0)) return undefined;
    const slice = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return slice;
  }

  #text(): string | undefined {
    const length = this.#varint();
    if (!(length >= 0)) return undefined;
    this.#at += length;
    return textAt(this.#bytes, this.#at - length, this.#at);
  }
}

/** A record's bytes without its length. */
function bodyBytes({ key, headers, value }: NewRecord, index: number): number {
  const { kind, id, version } = headers;
  return (
    // Attributes, no difference in time, and three headers.
    3 +
    varintBytes(index) +
    prefixedBytes(Buffer.byteLength(key)) +
    prefixedBytes(value.length) +
    headerBytes('kind', kind) +
    headerBytes('id', id) +
    headerBytes('version', String(version))
  );
}

function headerBytes(name: string, value: string): number {
  return prefixedBytes(name.length) + prefixedBytes(Buffer.byteLength(value));
}

function prefixedBytes(length: number): number {
  return varintBytes(length) + length;
}

/** Of a number from 0, in zigzag. */
function varintBytes(value: number): number {
  if (value < 0x40) return 1;
  if (value < 0x2000) return 2;
  if (value < 0x10_0000) return 3;
  return value < 0x800_0000 ? 4 : 5;
}

function writeRecord(batch: Buffer, from: number, record: NewRecord, index: number, size: number): number {
  const { key, headers, value } = record;
  let at = writeVarint(batch, from, size);
  batch[at++] = 0;
  batch[at++] = 0;
  at = writeVarint(batch, at, index);
  at = writeText(batch, at, key);
  at = writeVarint(batch, at, value.length);
  batch.set(value, at);
  at = writeVarint(batch, at + value.length, 3);
  at = writeText(batch, writeText(batch, at, 'kind'), headers.kind);
  at = writeText(batch, writeText(batch, at, 'id'), headers.id);
  return writeText(batch, writeText(batch, at, 'version'), String(headers.version));
}

function writeText(batch: Buffer, from: number, text: string): number {
  const length = Buffer.byteLength(text);
  const at = writeVarint(batch, from, length);
  batch.write(text, at, length);
  return at + length;
}

function writeVarint(batch: Buffer, from: number, value: number): number {
  let at = from;
  let rest = value * 2;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) batch[at++] = (rest % 0x80) | 0x80;
  batch[at++] = rest;
  return at;
}
