/**
 * A CSV file as a stream of rows, each with the line it begins on. A malformed row is a result like
 * any other, and reading goes on with the line after the one where it began, so that a forgotten
 * quote costs one row and not the rest of the file. Memory does not grow with the file.
 *
 * RFC 4180, UTF-8 with or without a byte order mark; the first row names the columns.
 */
import type { Readable } from 'node:stream';
import { parse } from 'csv-parse/sync';
import { readLines, type FileLine } from './file-lines.ts';
import { rowBytesMax, rowLinesMax } from './limits.ts';

export type CsvRow = { readonly line: number; readonly bytesRead: number } & (
  | { readonly kind: 'row'; readonly cells: ReadonlyMap<string, string> }
  | { readonly kind: 'malformed'; readonly reason: string }
);

/**
 * @param onColumns hears the columns before the first row; what it throws ends the reading
 * @throws Error when the file cannot be read, is empty or its columns are wrong
 */
export async function* readCsvRows(
  input: Readable,
  onColumns: (columns: readonly string[]) => void,
): AsyncGenerator<CsvRow> {
  let columns: readonly string[] | undefined;
  for await (const { line, bytesRead, cells, reason } of readRecords(input)) {
    if (columns === undefined) {
      if (cells === undefined) throw new Error(`line ${line} must name the columns: ${reason}`);
      columns = checkedColumns(cells);
      onColumns(columns);
    } else if (cells === undefined) {
      yield { kind: 'malformed', line, bytesRead, reason };
    } else {
      yield { line, bytesRead, ...toRow(columns, cells) };
    }
  }
  if (columns === undefined) throw new Error('the file is empty: its first row must name the columns');
}

/** @throws Error naming the column that is wrong */
function checkedColumns(cells: readonly string[]): readonly string[] {
  const columns = cells.map((name) => name.trim());
  const unnamed = columns.indexOf('');
  if (unnamed >= 0) throw new Error(`column ${unnamed + 1} has no name; the first row must name every column`);
  const twice = columns.find((name, index) => columns.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`two columns are named ${twice}`);
  return columns;
}

type RowContent =
  | { readonly kind: 'row'; readonly cells: ReadonlyMap<string, string> }
  | { readonly kind: 'malformed'; readonly reason: string };

function toRow(columns: readonly string[], cells: readonly string[]): RowContent {
  if (cells.length !== columns.length) {
    return { kind: 'malformed', reason: `${cells.length} cells where the file has ${columns.length} columns` };
  }
  return { kind: 'row', cells: new Map(columns.map((name, index) => [name, cells[index] ?? ''])) };
}

interface CsvRecord {
  readonly line: number;
  readonly bytesRead: number;
  /** Absent: malformed; `reason` says why. */
  readonly cells?: readonly string[];
  readonly reason: string;
}

/** Joins lines while a quote is open. `pending` holds the lines of the record that is being read. */
async function* readRecords(input: Readable): AsyncGenerator<CsvRecord> {
  let pending: FileLine[] = [];
  for await (const line of readLines(input)) {
    pending.push(line);
    for (let read = takeRecord(pending, false); read !== undefined; read = takeRecord(pending, false)) {
      pending = read.rest;
      if (read.record !== undefined) yield read.record;
    }
  }
  for (let read = takeRecord(pending, true); read !== undefined; read = takeRecord(pending, true)) {
    pending = read.rest;
    if (read.record !== undefined) yield read.record;
  }
}

/** One record off the front, or undefined while it takes more lines to tell. */
function takeRecord(pending: FileLine[], isEnd: boolean): { record?: CsvRecord; rest: FileLine[] } | undefined {
  const [first, ...rest] = pending;
  if (first === undefined) return undefined;
  if (first.text === undefined) return { record: broken(first, first.problem ?? 'it cannot be read'), rest };
  if (first.text.trim() === '') return { rest };

  let text = first.text;
  let quotes = countQuotes(text);
  for (let used = 1; ; used += 1) {
    if (quotes % 2 === 0) return parseRecord(first, text, pending.slice(used), rest);
    const next = pending[used];
    const isTooLong = used >= rowLinesMax || text.length > rowBytesMax;
    if (isTooLong || (next !== undefined && next.text === undefined) || (next === undefined && isEnd)) {
      return { record: broken(first, 'a quote is not closed'), rest };
    }
    if (next?.text === undefined) return undefined;
    text += `\n${next.text}`;
    quotes += countQuotes(next.text);
  }
}

function parseRecord(
  first: FileLine,
  text: string,
  after: FileLine[],
  rest: FileLine[],
): { record: CsvRecord; rest: FileLine[] } {
  try {
    const [cells] = parse(text, { relax_column_count: true });
    if (cells === undefined) return { record: broken(first, 'it cannot be read as CSV'), rest };
    return { record: { line: first.no, bytesRead: first.bytesRead, cells, reason: '' }, rest: after };
  } catch {
    return { record: broken(first, 'a quote within a cell: double it, and quote the whole cell'), rest };
  }
}

function broken(line: FileLine, reason: string): CsvRecord {
  return { line: line.no, bytesRead: line.bytesRead, reason };
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count += 1;
  return count;
}
