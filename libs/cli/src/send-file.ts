/**
 * Sends each row of a file, in order, as fast as the node takes them. Memory does not grow with the
 * file: rows are read as the stream takes them, and what is unanswered is bounded by its window.
 */
import { createReadStream, statSync } from 'node:fs';
import type { SendStream } from '@chappe/client/send-stream';
import { toChappeError } from '@chappe/errors/chappe-error';
import { readCsvRows } from './csv-rows.ts';
import { UsageError } from './failure.ts';
import { namedProblemsMax } from './limits.ts';
import { toRequest, type RowRules } from './row-request.ts';
import type { SentJournal } from './sent-journal.ts';

export interface FileTotals {
  rows: number;
  /** Accepted now. */
  accepted: number;
  /** Accepted in an earlier run; nothing was sent. */
  repeated: number;
  /** Refused by the node. */
  refused: number;
  /** No message could be made of the row. */
  malformed: number;
  bytesRead: number;
  readonly fileBytes: number;
}

export interface FileSend {
  readonly path: string;
  readonly rules: RowRules;
  readonly stream: SendStream;
  readonly journal: SentJournal;
  /** Hears of a row that was not accepted; only of the first ones. */
  readonly onProblem: (line: number, reason: string) => void;
  readonly onProgress: (totals: FileTotals) => void;
  /** Stops reading; what was read is still answered. */
  readonly signal: AbortSignal;
}

export async function sendFile(job: FileSend): Promise<FileTotals> {
  const { rules, stream, journal, onProgress, signal } = job;
  const totals: FileTotals = {
    rows: 0,
    accepted: 0,
    repeated: 0,
    refused: 0,
    malformed: 0,
    bytesRead: 0,
    fileBytes: sizeOf(job.path),
  };
  const problem = (line: number, reason: string): void => {
    if (totals.refused + totals.malformed <= namedProblemsMax) job.onProblem(line, reason);
  };
  for await (const row of rowsOf(job.path, rules)) {
    if (signal.aborted) break;
    totals.rows += 1;
    totals.bytesRead = row.bytesRead;
    onProgress(totals);
    const outcome = row.kind === 'malformed' ? row : toRequest(row, totals.rows, rules);
    if (outcome.kind === 'malformed') {
      totals.malformed += 1;
      problem(row.line, outcome.reason);
      continue;
    }
    const { request } = outcome;
    await stream.ready();
    stream.send(request).then(
      ({ messageId }) => {
        if (journal.note(request.idempotencyKey, messageId)) totals.repeated += 1;
        else totals.accepted += 1;
        onProgress(totals);
      },
      (error: unknown) => {
        const refusal = toChappeError(error);
        totals.refused += 1;
        problem(row.line, `${refusal.entry.code} ${refusal.entry.title}: ${refusal.message}`);
      },
    );
  }
  await stream.close();
  return totals;
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${error instanceof Error ? error.message : 'unknown'}`, {
      cause: error,
    });
  }
}

async function* rowsOf(path: string, rules: RowRules): ReturnType<typeof readCsvRows> {
  try {
    yield* readCsvRows(createReadStream(path), (columns) => checkColumns(columns, rules));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : 'it cannot be read'}`, { cause: error });
  }
}

/** What is wrong with every row is said once, before anything is sent. */
function checkColumns(columns: readonly string[], { template, language, parametersOf }: RowRules): void {
  const needed = ['to', ...(template === undefined ? ['template'] : (parametersOf(template, language) ?? []))];
  const missing = needed.filter((name) => !columns.includes(name));
  if (missing.length > 0) {
    throw new UsageError(`the columns ${missing.join(', ')} are missing; the file has ${columns.join(', ')}`);
  }
}
