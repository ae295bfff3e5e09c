/**
 * What every driver must know of the text of a statement and of its parameters, and refuses alike.
 *
 * Messages quote the statement as it was written, with its `?`, and never a value.
 */
import type { SqlValue } from './store.ts';
import { StoreError } from './store.ts';

/** The text around each `?` that is neither in quotes nor in a comment. */
export function splitAtPlaces(sql: string): string[] {
  const parts: string[] = [];
  let from = 0;
  for (const { 0: token, index } of sql.matchAll(quotedCommentOrPlace)) {
    if (token !== '?') continue;
    parts.push(sql.slice(from, index));
    from = index + 1;
  }
  parts.push(sql.slice(from));
  return parts;
}

export function withoutQuotes(sql: string): string {
  return sql.replace(quotedCommentOrPlace, (token) => (token === '?' ? token : ''));
}

/** @throws StoreError `invalid` */
export function refuseTransactionControl(sql: string): void {
  if (!transactionControl.test(sql)) return;
  throw new StoreError('invalid', `transactions are begun and ended by the store, not by: ${sql}`);
}

/** @throws StoreError `invalid` */
export function refuseUnfit(parameters: readonly SqlValue[], places: number, sql: string): void {
  if (parameters.length !== places) {
    throw new StoreError('invalid', `${parameters.length} parameters for ${places} places in: ${sql}`);
  }
  for (const value of parameters) {
    const refusal = refuse(value);
    if (refusal !== undefined) throw new StoreError('invalid', `${refusal}, in: ${sql}`);
  }
}

function refuse(value: unknown): string | undefined {
  if (typeof value === 'string' || value === null || value instanceof Uint8Array) return undefined;
  if (typeof value !== 'number') return `a parameter is a ${typeof value}, not a number, string, Uint8Array or null`;
  if (!Number.isFinite(value)) return 'a number parameter is not finite';
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) return 'an integer parameter is beyond 2^53 - 1';
  return undefined;
}

const transactionControl =
  /^\s*(begin|start|commit|end|rollback|savepoint|release|set|lock|unlock|attach|detach|pragma|vacuum)\b/i;
const quotedCommentOrPlace = /'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\/|\?/g;
