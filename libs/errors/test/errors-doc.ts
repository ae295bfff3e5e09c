/**
 * The table of docs/errors.md, made from the catalogue.
 *
 * Run as a program (`node libs/errors/test/errors-doc.ts`) it writes the table into the document,
 * between the two marks; what stands around them is written by hand.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogue, GrpcStatus, type CatalogueEntry } from '../src/catalogue.ts';

export const errorsDoc = join(import.meta.dirname, '../../../docs/errors.md');

const startMark = '<!-- catalogue: made by `node libs/errors/test/errors-doc.ts` -->';
const endMark = '<!-- end of catalogue -->';

/** `9` -> `FAILED_PRECONDITION`. @throws Error for a status that the catalogue may not use */
export function grpcName(status: number): string {
  const found = Object.entries(GrpcStatus).find(([, number]) => number === status);
  if (found === undefined) throw new Error(`gRPC status ${status} is not among those that are used`);
  return found[0].replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

export function errorTable(): string {
  const rows = Object.entries(catalogue).map(
    ([name, { code, title, grpc, retry, meaning }]: [string, CatalogueEntry]) =>
      `| ${code} | ${title} | \`${name}\` | ${grpcName(grpc)} | ${retry} | ${meaning} |`,
  );
  return [
    '| code | title | in TypeScript | gRPC status | retry | when it happens, what to do |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** The document with the table as it should be. @throws Error if a mark is missing */
export function withErrorTable(document: string): string {
  const [before, rest] = splitAt(document, startMark);
  const [, after] = splitAt(rest, endMark);
  return `${before}${startMark}\n${errorTable()}\n${endMark}${after}`;
}

function splitAt(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`docs/errors.md has no line ${mark}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

if (import.meta.main) await writeFile(errorsDoc, withErrorTable(await readFile(errorsDoc, 'utf8')));
