/** Conformance of the store: values, parameters and the bulk verbs. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import { insertNotes, makeTable, notesIn, rejectsAs } from './conformance-harness.ts';
import type { SqlValue } from './store.ts';

export function checkValues(check: Check): void {
  check('values come back as they were written', async ({ store }) => {
    const table = await makeTable(store);
    const rows: SqlValue[][] = [
      ['a', 0, null, null],
      ['a', Number.MAX_SAFE_INTEGER, '', new Uint8Array(0)],
      ['b', Number.MIN_SAFE_INTEGER, "quote ' and ? and ;", Uint8Array.of(0, 39, 255)],
      ['é🐄', 2 ** 40, 'bœuf 牛 🐄\n\t', new Uint8Array(60_000).fill(7)],
    ];
    await store.transaction((tx) => tx.insert(table, rows, 'fail'));
    const read = await store.query(`SELECT a, b, note, body FROM ${table.name} ORDER BY a, b`);
    assert.deepEqual(
      read,
      rows.map(([a, b, note, body]) => ({ a, b, note, body })),
    );
    assert.ok(read.every(({ body }) => body === null || body instanceof Uint8Array));
  });

  check('texts are equal only if their bytes are, and ordered by them', async ({ store }) => {
    const table = await makeTable(store);
    const texts = ['', ' ', '336', '3360', '3369', '336:', 'A', 'a', 'a ', 'a\u0000', 'e\u0301', 'é'];
    const rows = texts.map((text) => [text, 0, text, null]);
    assert.equal(await store.transaction((tx) => tx.insert(table, rows, 'fail')), texts.length);
    const inRange = `SELECT a FROM ${table.name} WHERE a >= ? AND a < ? ORDER BY a`;
    assert.deepEqual(await store.query(inRange, ['336', '336:']), [{ a: '336' }, { a: '3360' }, { a: '3369' }]);
    for (const text of texts) {
      assert.deepEqual(await store.query(`SELECT note FROM ${table.name} WHERE a = ?`, [text]), [{ note: text }]);
    }
  });

  check('no value ends its literal or changes on its way', async ({ store }) => {
    const table = await makeTable(store);
    const lengthening = [
      '',
      '\\',
      "'",
      '\u00c3',
      '\u00e2\u0082',
      '\u00f0\u009f\u0090',
      '\u0081',
      '\u0000',
      '\r\n',
      '\u001a',
    ];
    const ending = ["'", '\\', '"', ';', "' OR 1=1 -- ", "\\' OR 1=1 -- ", '%', '`', '\u00e9', 'é🐄'];
    const texts = lengthening.flatMap((before) => ending.map((after) => `${before}${after}${before}`));
    const rows: SqlValue[][] = texts.map((text, index) => [`${index}`, index, text, Buffer.from(text, 'latin1')]);
    rows.push(['all', 0, '', Uint8Array.from({ length: 512 }, (_, index) => index)]);
    await store.transaction((tx) => tx.insert(table, rows, 'fail'));
    const read = await store.query(`SELECT a, b, note, body FROM ${table.name}`);
    const [a, b, note, body] = ['a', 'b', 'note', 'body'] as const;
    const found = new Map(read.map((row) => [row[a], [row[a], row[b], row[note], row[body]]]));
    for (const [name, no, text, bytes] of rows) {
      assert.deepEqual(found.get(String(name)), [name, no, text, Uint8Array.from(bytes as Uint8Array)]);
      assert.deepEqual(await store.query('SELECT ? AS text, ? AS bytes', [text ?? null, bytes ?? null]), [
        { text, bytes: Uint8Array.from(bytes as Uint8Array) },
      ]);
    }
  });

  check('a Buffer is written as the bytes it views', async ({ store }) => {
    const table = await makeTable(store);
    const view = Buffer.from('xxabcxx').subarray(2, 5);
    await store.transaction((tx) => tx.insert(table, [['a', 1, null, view]], 'fail'));
    const [row] = await store.query(`SELECT body FROM ${table.name}`);
    assert.deepEqual(row?.['body'], new Uint8Array(Buffer.from('abc')));
  });

  check('doubles come back as they were written', async ({ store }) => {
    const [row] = await store.query('SELECT ? AS x, ? AS y', [1.5, -0.001]);
    assert.deepEqual([Number(row?.['x']), Number(row?.['y'])], [1.5, -0.001]);
  });

  check('several reads go together, each with its own parameters and rows', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['x', 'y']);
    const notes = `SELECT note FROM ${table.name} WHERE note = ?`;
    const rows = await store.queryAll([
      { sql: notes, parameters: ['y'] },
      { sql: notes, parameters: ['none'] },
      { sql: `SELECT COUNT(*) AS count FROM ${table.name}` },
    ]);
    assert.deepEqual(rows, [[{ note: 'y' }], [], [{ count: 2 }]]);
    assert.deepEqual(await store.queryAll([{ sql: notes, parameters: ['x'] }]), [[{ note: 'x' }]]);
    assert.deepEqual(await store.queryAll([]), []);
    await rejectsAs('invalid', store.queryAll([{ sql: notes, parameters: ['x'] }, { sql: 'SELECT no FROM nothing' }]));
  });

  check('a value that no number can hold is invalid, never rounded', async ({ store }) => {
    const table = await makeTable(store);
    for (const value of [2 ** 53, -(2 ** 60), Number.NaN, Number.POSITIVE_INFINITY]) {
      await rejectsAs(
        'invalid',
        store.transaction((tx) => tx.insert(table, [['a', value, null, null]], 'fail')),
      );
      await rejectsAs('invalid', store.query('SELECT ? AS x', [value]));
    }
    await store.transaction((tx) => tx.run(`INSERT INTO ${table.name} (a, b) VALUES ('a', 9007199254740993)`));
    await rejectsAs('invalid', store.query(`SELECT b FROM ${table.name}`));
  });

  check('too few, too many and mistyped parameters are invalid', async ({ store }) => {
    const mistyped: readonly SqlValue[] = JSON.parse('[true]');
    await rejectsAs('invalid', store.query('SELECT ? AS x, ? AS y', [1]));
    await rejectsAs('invalid', store.query('SELECT ? AS x', [1, 2]));
    await rejectsAs('invalid', store.query('SELECT ? AS x', mistyped));
  });

  check('a question mark in quotes or a comment is text', async ({ store }) => {
    const [row] = await store.query("SELECT '?' AS x, ? AS y -- really?", ['!']);
    assert.deepEqual(row, { x: '?', y: '!' });
  });

  check('a statement says how many rows it matched', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['x', 'x', 'y']);
    await store.transaction(async (tx) => {
      assert.equal(await tx.run(`UPDATE ${table.name} SET note = 'x' WHERE note = ?`, ['x']), 2);
      assert.equal(await tx.run(`UPDATE ${table.name} SET note = 'z' WHERE note = ?`, ['none']), 0);
      assert.equal(await tx.run(`DELETE FROM ${table.name}`), 3);
    });
  });

  check('one statement runs for many parameter lists', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['0', '1', '2']);
    await store.transaction((tx) =>
      tx.runMany(`UPDATE ${table.name} SET note = ? WHERE a = 'a' AND b = ?`, [
        ['zero', 0],
        ['two', 2],
      ]),
    );
    assert.deepEqual(await notesIn(store, table), ['zero', '1', 'two']);
  });

  check('an insert that ignores conflicts counts and keeps what is there', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['old', 'old']);
    const rows = ['new', 'new', 'new'].map((note, index) => ['a', index, note, null]);
    assert.equal(await store.transaction((tx) => tx.insert(table, rows, 'ignore')), 1);
    assert.deepEqual(await notesIn(store, table), ['old', 'old', 'new']);
  });

  check('an insert that replaces overwrites every column outside the key', async ({ store }) => {
    const table = await makeTable(store);
    await store.transaction((tx) => tx.insert(table, [['a', 0, 'old', Uint8Array.of(1)]], 'fail'));
    const rows = [
      ['a', 0, 'new', null],
      ['a', 1, 'new', null],
    ];
    await store.transaction((tx) => tx.insert(table, rows, 'replace'));
    const read = await store.query(`SELECT note, body FROM ${table.name} ORDER BY b`);
    assert.deepEqual(read, [
      { note: 'new', body: null },
      { note: 'new', body: null },
    ]);
  });

  check('an insert of many rows, and of none, counts them', async ({ store }) => {
    const table = await makeTable(store);
    const rows = Array.from({ length: 3_000 }, (_, index) => ['a', index, String(index), null]);
    assert.equal(await store.transaction((tx) => tx.insert(table, rows, 'fail')), 3_000);
    assert.equal(await store.transaction((tx) => tx.insert(table, [], 'fail')), 0);
    assert.equal((await notesIn(store, table)).length, 3_000);
  });

  check('a table of only key columns can be ignored into and replaced', async ({ store }) => {
    const { name } = await makeTable(store);
    const table = { name, key: ['a', 'b'], columns: ['a', 'b'] };
    await store.transaction(async (tx) => {
      await tx.insert(table, [['a', 1]], 'fail');
      await tx.insert(table, [['a', 1]], 'ignore');
      await tx.insert(table, [['a', 1]], 'replace');
    });
    assert.equal((await store.query(`SELECT a FROM ${name}`)).length, 1);
  });
}
