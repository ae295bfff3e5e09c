/** What the conformance suite of the log needs of a driver, and the words its tests are written in. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { LogError } from './log-error.ts';
import type { LogErrorKind } from './log-error.ts';
import type { AppendResult, Log, LogRecord, NewRecord } from './log.ts';

/** A log for one test. Disposing it removes what the test left. */
export interface LogHarness extends AsyncDisposable {
  readonly log: Log;
  /** Closes `log` and opens the same log anew; the harness disposes that one too. */
  readonly reopen: () => Promise<Log>;
  /** Cuts `log` off from what it stores in, so that nothing can be done with it any more. */
  readonly makeDead: () => Promise<void>;
}

/** Registers one test of the suite. */
export type Check = (name: string, work: (harness: LogHarness) => Promise<void>) => void;

export const never = new AbortController().signal;
export const noLimits = { maxRecords: 10_000, maxBytes: 64 * 1024 * 1024 };

export function uniqueTopic(): string {
  return `conformance-${randomUUID()}`;
}

export async function makeTopic(log: Log): Promise<string> {
  const topic = uniqueTopic();
  await log.createTopic(topic);
  return topic;
}

export function makeRecord(id: string, value: Uint8Array = Buffer.from(`value of ${id}`)): NewRecord {
  return { key: `key of ${id}`, headers: { kind: 'send', id, version: 1 }, value };
}

export function makeRecords(count: number, from = 0): NewRecord[] {
  return Array.from({ length: count }, (_, index) => makeRecord(String(from + index)));
}

/** Appends, and says where; fails the test if the append failed. */
export async function append(
  log: Log,
  topic: string,
  records: readonly NewRecord[],
): Promise<Extract<AppendResult, { kind: 'appended' }>> {
  const [result] = await log.append([{ topic, records }]);
  assert.ok(result?.kind === 'appended', `the append failed: ${result?.kind === 'failed' ? result.error.message : ''}`);
  return result;
}

export async function appendFailure(log: Log, topic: string, records: readonly NewRecord[]): Promise<LogErrorKind> {
  const [result] = await log.append([{ topic, records }]);
  return failureOf(result);
}

export function failureOf(result: AppendResult | undefined): LogErrorKind {
  assert.ok(result?.kind === 'failed', 'the append went through');
  assert.ok(result.error instanceof LogError);
  return result.error.kind;
}

export async function rejectsAs(kind: LogErrorKind, work: Promise<unknown>): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof LogError, `not a LogError: ${String(error)}`);
    assert.equal(error.kind, kind, error.message);
    return true;
  });
}

/** Reads everything from an offset to the end. */
export async function readAll(log: Log, topic: string, from = 0): Promise<LogRecord[]> {
  const end = await log.end(topic);
  await using reader = await log.openReader(topic, from);
  const records: LogRecord[] = [];
  while (from + records.length < end) records.push(...(await reader.read(noLimits, never)));
  return records;
}

export function idsOf(records: readonly LogRecord[]): string[] {
  return records.map(({ headers }) => headers.id);
}
