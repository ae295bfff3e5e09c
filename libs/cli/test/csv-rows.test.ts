import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { readCsvRows, type CsvRow } from '../src/csv-rows.ts';
import { rowBytesMax } from '../src/limits.ts';

async function rowsOf(text: string | Buffer, chunkBytes = 7): Promise<CsvRow[]> {
  const bytes = Buffer.from(text);
  const chunks = Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, index) =>
    bytes.subarray(index * chunkBytes, (index + 1) * chunkBytes),
  );
  const rows: CsvRow[] = [];
  for await (const row of readCsvRows(Readable.from(chunks), () => undefined)) rows.push(row);
  return rows;
}

const linesOf = (rows: readonly CsvRow[], kind: CsvRow['kind']): number[] =>
  rows.filter((row) => row.kind === kind).map(({ line }) => line);

test('rows carry the line they begin on, over blank lines and cells with line breaks', async () => {
  const rows = await rowsOf('\ufeffto,name\r\n+1,a\r\n\r\n+2,"two\nlines, and ""quotes"""\n+3,c');
  assert.deepEqual(linesOf(rows, 'row'), [2, 4, 6]);
  const [, second] = rows;
  assert.equal(second?.kind === 'row' && second.cells.get('name'), 'two\nlines, and "quotes"');
  assert.equal(second?.kind === 'row' && second.cells.get('to'), '+2');
});

test('a malformed row is reported with its line and the others go on', async () => {
  const rows = await rowsOf(
    'to,name\n+1,short,extra\n+2\n+3,"bad" quote\n+4,ok\n+5,ba"d\n+6,ok\n+7,"never closed\n+8,ok\n',
  );
  assert.deepEqual(linesOf(rows, 'malformed'), [2, 3, 4, 6, 8]);
  assert.deepEqual(linesOf(rows, 'row'), [5, 7, 9]);
});

test('a row that is no UTF-8 or far too long costs itself only', async () => {
  const long = `+3,${'x'.repeat(rowBytesMax)}`;
  const rows = await rowsOf(
    Buffer.concat([Buffer.from('to,name\n+1,'), Buffer.from([0xff]), Buffer.from(`\n+2,ok\n${long}\n+4,ok\n`)]),
    64_000,
  );
  assert.deepEqual(linesOf(rows, 'malformed'), [2, 4]);
  assert.deepEqual(linesOf(rows, 'row'), [3, 5]);
});

test('a file without columns, with an unnamed or a repeated one is refused', async () => {
  await assert.rejects(rowsOf(''), /the file is empty/);
  await assert.rejects(rowsOf('to,,name\n'), /column 2 has no name/);
  await assert.rejects(rowsOf('to,name,to\n'), /two columns are named to/);
});

test('whatever is quoted is read back, in any chunks', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', 'é', '😀', ' ') });
  await fc.assert(
    fc.asyncProperty(fc.array(cell, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), async (cells, chunkBytes) => {
      const text = cells.map((value) => `+1,"${value.replaceAll('"', '""')}"\n`).join('');
      const rows = await rowsOf(`to,name\n${text}`, chunkBytes);
      assert.deepEqual(
        rows.map((row) => row.kind === 'row' && row.cells.get('name')),
        cells,
      );
    }),
    { numRuns: 100 },
  );
});
