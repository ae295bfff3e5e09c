/**
 * From a row of a file to the message it asks for. The idempotency key is made from the row
 * itself, so the same file twice sends nothing twice, from whatever machine.
 */
import { createHash } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SendRequestSchema } from '@chappe/proto/v1/message_service';
import type { CsvRow } from './csv-rows.ts';

export interface RowRules {
  /** Absent: the column `template`. */
  readonly template?: string;
  /** The language of rows that name none. */
  readonly language: string;
  /** Refuse a language that the template lacks, rather than fall back. */
  readonly isStrict?: boolean;
  /** Absent: the business's first number. */
  readonly from?: string;
  /** Which parameters a template has; other columns are left out. Undefined: there is no such template. */
  readonly parametersOf: (template: string, language: string) => readonly string[] | undefined;
}

export type RowOutcome =
  | {
      readonly kind: 'request';
      readonly request: MessageInitShape<typeof SendRequestSchema> & { idempotencyKey: string; to: string };
    }
  | { readonly kind: 'malformed'; readonly reason: string };

/** @param rowNo counts the file's rows from 1, malformed ones included */
export function toRequest(row: CsvRow & { kind: 'row' }, rowNo: number, rules: RowRules): RowOutcome {
  const to = row.cells.get('to')?.trim() ?? '';
  if (to === '') return malformed('the column `to` is empty');
  const name = rules.template ?? row.cells.get('template')?.trim() ?? '';
  if (name === '') return malformed('the column `template` is empty and --template is not given');
  const language = row.cells.get('language')?.trim() || rules.language;
  const wanted = rules.parametersOf(name, language);
  if (wanted === undefined) return malformed(`the business has no template ${name}`);
  const missing = wanted.filter((parameter) => !row.cells.has(parameter));
  if (missing.length > 0) return malformed(`template ${name} needs the columns ${missing.join(', ')}`);

  const parameters = Object.fromEntries(wanted.map((parameter) => [parameter, row.cells.get(parameter) ?? '']));
  const key = row.cells.get('key')?.trim() ?? '';
  const identity = key === '' ? ['row', rowNo, name, language, to, parameters] : ['key', name, key];
  return {
    kind: 'request',
    request: {
      from: rules.from ?? '',
      to,
      idempotencyKey: `csv-${digest(identity)}`,
      content: { case: 'template', value: { name, language, parameters, languageFallback: rules.isStrict !== true } },
    },
  };
}

function malformed(reason: string): RowOutcome {
  return { kind: 'malformed', reason };
}

/** 43 characters of the 128 that a key may have. */
function digest(identity: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(identity)).digest('base64url');
}
