/** A writer that does not give up and a reader that follows it, for faults: nothing acknowledged may be lost or out of order. */
import assert from 'node:assert/strict';
import { idsOf, makeRecord, never, noLimits } from '../../src/conformance-harness.ts';
import type { Log, LogReader } from '../../src/log.ts';
import { until } from './own-brokers.ts';

/** Appends one record after another, each until it is acknowledged; the ids in order. */
export async function writeAndRepeat(log: Log, topic: string, signal: AbortSignal): Promise<string[]> {
  const acknowledged: string[] = [];
  while (!signal.aborted) {
    const id = String(acknowledged.length);
    for (;;) {
      const [result] = await log.append([{ topic, records: [makeRecord(id)] }]);
      if (result?.kind === 'appended') break;
      assert.equal(result?.error.kind, 'unavailable');
    }
    acknowledged.push(id);
  }
  return acknowledged;
}

/** Reads on until there are so many; a read that meets a broker which is gone is done again. */
export async function readOn(reader: LogReader, ids: string[], count: number): Promise<void> {
  while (ids.length < count) ids.push(...idsOf(await until(() => reader.read(noLimits, never))));
}

/** Ids in the order of their first showing: what was repeated after an unknown outcome counts once. */
export function firstsOf(ids: readonly string[]): string[] {
  return [...new Set(ids)];
}
