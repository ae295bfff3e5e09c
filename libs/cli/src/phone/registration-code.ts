/**
 * The one-time code of a number. A standalone node writes codes to `registration-codes.jsonl` in its
 * data folder, in place of a text message; whoever may read that folder may register any number.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { UsageError } from '../failure.ts';

/** The node writes the code before it answers; the file may lie on a slow disk. */
const fileTries = 10;
const fileIntervalMs = 100;

/** @param number E.164, with or without `+`; a code is asked for before */
export async function findCode(dataFolder: string, number: string): Promise<string> {
  for (let tries = 0; tries < fileTries; tries += 1) {
    const code = newestCode(readCodes(join(dataFolder, 'registration-codes.jsonl')), number);
    if (code !== undefined) return code;
    await pause(fileIntervalMs);
  }
  if (!process.stdin.isTTY) {
    throw new UsageError(
      `no code for ${number} in ${dataFolder}/registration-codes.jsonl. Name the node's folder with --data, or give --code.`,
    );
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return (await terminal.question(`The code that was sent to ${number}: `)).trim();
  } finally {
    terminal.close();
  }
}

/** The last line about the number. */
export function newestCode(lines: readonly string[], number: string): string | undefined {
  const digits = number.replace(/^\+/, '');
  return lines.map(parseLine).findLast((entry) => entry?.number === digits)?.code;
}

function readCodes(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    // Not readable here: the person is asked instead.
    return [];
  }
}

function parseLine(line: string): { readonly number: string; readonly code: string } | undefined {
  try {
    const { number, code } = JSON.parse(line) as { number?: unknown; code?: unknown };
    if (typeof number !== 'string' || typeof code !== 'string') return undefined;
    return { number: number.replace(/^\+/, ''), code };
  } catch {
    return undefined;
  }
}
