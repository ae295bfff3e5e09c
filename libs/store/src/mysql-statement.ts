/**
 * Statements for MySQL as text, with their values in place.
 *
 * The text protocol, because prepared statements take no number for `LIMIT ?` in MySQL 8 and would
 * need one form for each number of rows. A statement is a string of bytes, one to a character, as it
 * travels: byte values are in it as they are (in hexadecimal they were twice as long), texts as UTF-8.
 *
 * A value cannot end its literal: quotes and backslashes are escaped, which no other byte needs (MySQL
 * Reference Manual, String Literals). That rests on two settings of the session (`mysql-connection.ts`):
 * backslashes escape, and the client's character set has one byte to a character. UTF-8 would do as
 * well, but then the server looks at each byte of a literal for longer characters, which takes it longer
 * than to read hexadecimal.
 */
import { splitStatementsMax } from './limits.ts';
import { refuseTransactionControl, refuseUnfit, splitAtPlaces } from './sql-text.ts';
import type { OnConflict, SqlValue, Table } from './store.ts';
import { StoreError } from './store.ts';

/** Puts the parameters in place. @throws StoreError `invalid` */
export function formatStatement(sql: string, parameters: readonly SqlValue[]): string {
  const parts = partsOf(sql);
  refuseUnfit(parameters, parts.length - 1, sql);
  let text = parts[0] ?? '';
  for (const [index, value] of parameters.entries()) text += literalOf(value) + (parts[index + 1] ?? '');
  return text;
}

/**
 * The inserts of rows, in as few statements as `bytesMax` characters each allow; a longer row is alone.
 *
 * @throws StoreError `invalid`
 */
export function* formatInserts(
  table: Table,
  rows: readonly (readonly SqlValue[])[],
  onConflict: OnConflict,
  bytesMax: number,
): Generator<string> {
  const [before, after] = insertAround(table, onConflict);
  let text = '';
  for (const row of rows) {
    refuseUnfit(row, table.columns.length, `an insert into ${table.name}`);
    const values = `(${row.map(literalOf).join(', ')})`;
    if (text !== '' && text.length + values.length > bytesMax) {
      yield text + after;
      text = '';
    }
    text = text === '' ? before + values : `${text}, ${values}`;
  }
  if (text !== '') yield text + after;
}

/**
 * `ignore` is INSERT IGNORE, which counts only new rows, as ON DUPLICATE KEY UPDATE with matched rows
 * cannot. It lets other mistakes pass as well: the caller looks at the warnings.
 */
function insertAround({ name, key, columns }: Table, onConflict: OnConflict): [string, string] {
  const others = columns.filter((column) => !key.includes(column));
  const isIgnored = onConflict === 'ignore' || (onConflict === 'replace' && others.length === 0);
  const before = `INSERT ${isIgnored ? 'IGNORE ' : ''}INTO ${name} (${columns.join(', ')}) VALUES `;
  if (onConflict !== 'replace' || isIgnored) return [before, ''];
  // `VALUES(column)` is what MySQL and MariaDB both speak.
  const updates = others.map((column) => `${column} = VALUES(${column})`);
  return [before, ` ON DUPLICATE KEY UPDATE ${updates.join(', ')}`];
}

function literalOf(value: SqlValue): string {
  if (value === null) return 'NULL';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toExponential();
  if (typeof value !== 'string')
    return `_binary${quoted(Buffer.from(value.buffer, value.byteOffset, value.byteLength))}`;
  return isAscii(value) ? escaped(value) : `_utf8mb4${quoted(Buffer.from(value, 'utf8'))}`;
}

function quoted(bytes: Buffer): string {
  return escaped(bytes.toString('latin1'));
}

function escaped(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}

function isAscii(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- all of ASCII
  return /^[\0-\x7F]*$/.test(text);
}

const knownParts = new Map<string, readonly string[]>();

function partsOf(sql: string): readonly string[] {
  const known = knownParts.get(sql);
  if (known !== undefined) return known;
  refuseTransactionControl(sql);
  if (!isAscii(sql)) throw new StoreError('invalid', 'SQL is ASCII; what else a statement needs is a parameter');
  const parts = splitAtPlaces(sql);
  // Full only if texts are made at run time; then splitting them again is the lesser harm.
  if (knownParts.size < splitStatementsMax) knownParts.set(sql, parts);
  return parts;
}
