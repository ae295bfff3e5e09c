/** Rows of a range's contacts, page by page in the order of an index, and a page's checksum. */
import { createHash } from 'node:crypto';
import type { Query, Row, SqlValue, Transaction } from '@chappe/store/store';
import type { ContactTable } from './tables.ts';

export interface Interval {
  readonly start: string;
  readonly end: string;
}

/** The values of `order` of a row; empty: before the first one. */
export type RowKey = readonly (string | number)[];

/** The rows behind a key, in order, at most a page. */
export function pageQuery({ table, order, pageRows }: ContactTable, { start, end }: Interval, after: RowKey): Query {
  const [contact] = after;
  const behind = contact === undefined ? '' : ` AND (${order.join(', ')}) > (${order.map(() => '?').join(', ')})`;
  return {
    // The first bound is what an index is entered by: of a comparison of rows MySQL makes none.
    sql: `SELECT ${table.columns.join(', ')} FROM ${table.name} WHERE contact >= ? AND contact < ?${behind}
      ORDER BY ${order.join(', ')} LIMIT ${pageRows}`,
    parameters: [contact ?? start, end, ...after],
  };
}

export function keyOf({ order, table }: ContactTable, row: Row): RowKey {
  return order.map((column) => {
    const value = row[column];
    if (typeof value === 'string' || typeof value === 'number') return value;
    throw new Error(`a row of ${table.name} has no ${column}`);
  });
}

/** In the order of the table's columns, for `Transaction.insert`. */
export function valuesOf({ table }: ContactTable, row: Row): SqlValue[] {
  return table.columns.map((column) => {
    const value = row[column];
    if (value !== undefined) return value;
    throw new Error(`a row of ${table.name} has no ${column}`);
  });
}

/** SHA-256 over every value with its kind and its length, so that no two different pages have the same. */
export function checksumOf(table: ContactTable, rows: readonly Row[]): string {
  const hash = createHash('sha256');
  for (const row of rows) {
    for (const value of valuesOf(table, row)) {
      const bytes = value instanceof Uint8Array ? value : Buffer.from(String(value));
      hash.update(`${value === null ? 'null' : typeof value} ${bytes.length} `).update(bytes);
    }
  }
  return hash.digest('hex');
}

/** Deletes a page's rows, by their primary keys. */
export function deleteRows(tx: Transaction, { table }: ContactTable, rows: readonly Row[]): Promise<void> {
  const byKey = table.key.map((column) => `${column} = ?`).join(' AND ');
  return tx.runMany(
    `DELETE FROM ${table.name} WHERE ${byKey}`,
    rows.map((row) => table.key.map((column) => row[column] ?? null)),
  );
}
