/** Our record batches against kafkajs's: each reads what the other writes. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import fc from 'fast-check';
import { LogError } from '@chappe/log/log-error';
import type { NewRecord } from '@chappe/log/log';
import { decodeBatches, encodeBatch } from '../src/kafka-batch.ts';

const require = createRequire(import.meta.url);
const Decoder = require('kafkajs/src/protocol/decoder.js') as new (bytes: Buffer) => object;
const decodeTheirs = require('kafkajs/src/protocol/recordBatch/v0/decoder.js') as (
  decoder: object,
) => Promise<{ records: { offset: string; key: Buffer; value: Buffer; headers: Record<string, Buffer> }[] }>;
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C/index.js') as (bytes: Buffer) => number;

const text = fc.oneof(fc.string({ maxLength: 40 }), fc.string({ unit: 'grapheme', maxLength: 300 }));
const records: fc.Arbitrary<NewRecord[]> = fc.array(
  fc.record({
    key: text,
    headers: fc.record({ kind: text, id: text, version: fc.nat(300) }),
    value: fc.uint8Array({ maxLength: 9_000 }).map((bytes) => Buffer.from(bytes)),
  }),
  { minLength: 1, maxLength: 80 },
);

test('kafkajs reads what we write, and so do we', async () => {
  await fc.assert(
    fc.asyncProperty(records, fc.nat(1_000_000), async (written, firstOffset) => {
      const batch = encodeBatch(written);
      assert.equal(batch.readUInt32BE(17), crc32c(batch.subarray(21)) >>> 0);
      const theirs = await decodeTheirs(new Decoder(batch));
      assert.deepEqual(
        theirs.records.map(({ offset, key, value, headers }) => [
          Number(offset),
          key.toString(),
          value,
          ...['kind', 'id', 'version'].map((name) => headers[name]?.toString()),
        ]),
        written.map(({ key, headers: { kind, id, version }, value }, index) => [
          index,
          key,
          value,
          kind,
          id,
          String(version),
        ]),
      );
      stamp(batch, firstOffset, 1_795_000_000_123);
      const read = decodeBatches('topic', firstOffset, batch);
      assert.deepEqual(
        read,
        written.map(({ key, headers, value }, index) => ({
          offset: firstOffset + index,
          appendTimeMs: 1_795_000_000_123,
          key,
          headers: { ...headers },
          value,
        })),
      );
    }),
    { numRuns: 200 },
  );
});

test('records below the offset are passed over, a batch that is cut off is left for the next fetch, a gap is one', () => {
  const batch = (firstOffset: number): Buffer =>
    stamp(encodeBatch([recordOf('a'), recordOf('b'), recordOf('c')]), firstOffset, 1);
  const offsets = (from: number, bytes: Buffer): number[] =>
    decodeBatches('topic', from, bytes).map(({ offset }) => offset);
  const two = Buffer.concat([batch(10), batch(13)]);
  assert.deepEqual(offsets(11, two), [11, 12, 13, 14, 15]);
  assert.deepEqual(offsets(13, two), [13, 14, 15]);
  assert.deepEqual(offsets(10, two.subarray(0, two.length - 1)), [10, 11, 12]);
  assert.throws(() => offsets(10, Buffer.concat([batch(10), batch(14)])), isGap);
});

test('bytes that are no batch of ours are a gap, never a crash', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 0, max: 255 }), (place, byte) => {
      const bytes = stamp(encodeBatch([recordOf('a'), recordOf('b')]), 0, 1);
      bytes[12 + (place % (bytes.length - 12))] = byte;
      try {
        decodeBatches('topic', 0, bytes);
      } catch (error) {
        assert.ok(isGap(error));
      }
    }),
    { numRuns: 2_000 },
  );
});

function recordOf(id: string): NewRecord {
  return { key: '33612345678', headers: { kind: 'send', id, version: 1 }, value: Buffer.from(id) };
}

/** What a broker does to a batch of a topic with append times. */
function stamp(batch: Buffer, firstOffset: number, appendTimeMs: number): Buffer {
  batch.writeBigInt64BE(BigInt(firstOffset), 0);
  batch.writeInt16BE(batch.readInt16BE(21) | 0x08, 21);
  batch.writeBigInt64BE(BigInt(appendTimeMs), 35);
  return batch;
}

function isGap(error: unknown): boolean {
  return error instanceof LogError && error.kind === 'gap';
}
