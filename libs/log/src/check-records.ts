/** What the port demands of the records of one append, and of a look at topics, whatever the driver. */
import { appendBytesMax, appendRecordsMax, copiesTopicsMax } from './limits.ts';
import { LogError } from './log-error.ts';
import type { NewRecord } from './log.ts';

/** Why the records cannot be appended; checked first, so that one bad append spoils no other of its group. */
export function refuseRecords(records: readonly NewRecord[]): string | undefined {
  if (records.length === 0) return 'an append has at least one record';
  if (records.length > appendRecordsMax) return `an append has at most ${appendRecordsMax} records`;
  if (byteLength(records) > appendBytesMax) return `the values of an append have at most ${appendBytesMax} bytes`;
  return records.every(isWellFormed) ? undefined : 'a record has a key, headers and a value of the types of the port';
}

function isWellFormed({ key, headers, value }: NewRecord): boolean {
  return (
    typeof key === 'string' &&
    typeof headers.kind === 'string' &&
    typeof headers.id === 'string' &&
    Number.isSafeInteger(headers.version) &&
    value instanceof Uint8Array
  );
}

export function byteLength(records: readonly NewRecord[]): number {
  let bytes = 0;
  for (const { value } of records) bytes += value.length;
  return bytes;
}

/** @throws LogError `invalid` */
export function checkTopicCount(topics: readonly string[]): void {
  if (topics.length < 1 || topics.length > copiesTopicsMax)
    throw new LogError('invalid', `a look at copies is at 1 to ${copiesTopicsMax} topics`);
}
