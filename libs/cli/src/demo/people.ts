/** Whom the files are about: every valid number once, with the language it is written to in. */
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { display, parsePhoneNumber } from '@chappe/numbers/phone-number';
import { readCsvRows, type CsvRow } from '../csv-rows.ts';
import { simulatedHandsetsMax } from '../limits.ts';

export interface DemoFile {
  readonly path: string;
  /** Absent: the column `template`. */
  readonly template?: string;
  /** Which business sends it. */
  readonly business: number;
}

export interface DemoRow {
  readonly file: DemoFile;
  readonly rowNo: number;
  readonly row: CsvRow;
}

export interface DemoPeople {
  /** E.164 with `+`, in the order in which they appear. */
  readonly numbers: readonly string[];
  /** Which of them each business writes to. */
  readonly contactsOf: readonly ReadonlySet<string>[];
  /** Valid numbers beyond the bound, which get no handset and no message. */
  readonly leftOut: ReadonlySet<string>;
}

export async function* readDemoRows(files: readonly DemoFile[]): AsyncGenerator<DemoRow> {
  for (const file of files) {
    let rowNo = 0;
    for await (const row of readCsvRows(createReadStream(file.path), () => undefined)) {
      yield { file, rowNo: (rowNo += 1), row };
    }
  }
}

export async function findPeople(files: readonly DemoFile[], businesses: number): Promise<DemoPeople> {
  const numbers = new Set<string>();
  const leftOut = new Set<string>();
  const contactsOf = Array.from({ length: businesses }, () => new Set<string>());
  for await (const { file, row } of readDemoRows(files)) {
    const number = row.kind === 'row' ? validNumber(row.cells.get('to') ?? '') : undefined;
    if (number === undefined) continue;
    if (!numbers.has(number) && numbers.size >= simulatedHandsetsMax) {
      leftOut.add(number);
      continue;
    }
    numbers.add(number);
    contactsOf[file.business]?.add(number);
  }
  return { numbers: [...numbers], contactsOf, leftOut };
}

/** With `+`; undefined for what is no number. */
export function validNumber(text: string): string | undefined {
  try {
    return display(parsePhoneNumber(text).number);
  } catch {
    // The node will say what is wrong with it.
    return undefined;
  }
}

export function placeOf({ file, row }: DemoRow): string {
  return `${basename(file.path)}:${row.line}`;
}
