/** Rows as `mysql2` reads them, as the port gives them: numbers that are exact, bytes that are their own. */
import type { FieldPacket } from 'mysql2';
import type { Row, SqlValue } from './store.ts';
import { StoreError } from './store.ts';

/** @throws StoreError `invalid` for an integer that no number can hold */
export function readRows(rows: readonly unknown[][], fields: readonly FieldPacket[]): Row[] {
  const names = fields.map(({ name }) => name);
  const areNumbers = fields.map(({ columnType }) => columnType !== undefined && exactNumbers.has(columnType));
  return rows.map((values) => {
    const row: Record<string, SqlValue> = {};
    for (const [index, name] of names.entries()) row[name] = readValue(values[index], areNumbers[index] ?? false, name);
    return row;
  });
}

function readValue(value: unknown, isNumber: boolean, name: string): SqlValue {
  if (value === null || value === undefined) return null;
  // A copy: a slice would keep the whole packet that it came in.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') throw new StoreError('invalid', `${name} is of a type that the store does not speak`);
  return isNumber ? exactNumber(value, name) : value;
}

/** Sums are decimals, whole ones if what they add is whole. */
function exactNumber(text: string, name: string): number {
  const number = Number(text);
  if (Number.isInteger(number) && !Number.isSafeInteger(number)) {
    throw new StoreError('invalid', `an integer of ${name} is beyond 2^53 - 1 and cannot be read as a number`);
  }
  return number;
}

/** MYSQL_TYPE_DECIMAL, MYSQL_TYPE_LONGLONG and MYSQL_TYPE_NEWDECIMAL of the protocol. */
const exactNumbers: ReadonlySet<number> = new Set([0, 8, 246]);
