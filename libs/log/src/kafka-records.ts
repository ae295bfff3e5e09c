/** What records of the log take in a Kafka batch. */
import { recordOverheadBytes } from './kafka-limits.ts';
import type { NewRecord } from './log.ts';

/** An upper bound of what records take in a batch. */
export function batchBytes(records: readonly NewRecord[]): number {
  let bytes = 0;
  for (const { key, headers, value } of records) {
    bytes += recordOverheadBytes + value.length;
    bytes += Buffer.byteLength(key) + Buffer.byteLength(headers.kind) + Buffer.byteLength(headers.id);
  }
  return bytes;
}
