/** What the coordinator did and why, a line each, under `journal/`. Written in the transaction of the act itself. */
import type { Operation } from '@chappe/coordination/coordination';

export interface JournalLine {
  /** Milliseconds since 1970, on the leader's clock. */
  readonly timeMs: number;
  readonly text: string;
}

export const journalPrefix = 'journal/';

/** So many are kept: with 200 bytes each they are a fifth of a MiB in etcd. */
export const journalLinesMax = 1_000;

/** @param no tells lines of one millisecond apart */
export function journalPut(line: JournalLine, no: number): Operation {
  const key = `${journalPrefix}${String(line.timeMs).padStart(15, '0')}-${String(no).padStart(6, '0')}`;
  return { kind: 'put', key, value: JSON.stringify(line) };
}

/** @throws Error if it is not a line */
export function parseJournalLine(json: string): JournalLine {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null) throw new Error('a line of the journal is not an object');
  const { timeMs, text } = value as Partial<Record<keyof JournalLine, unknown>>;
  if (typeof timeMs !== 'number' || typeof text !== 'string')
    throw new Error('a line of the journal has no time or no text');
  return { timeMs, text };
}
