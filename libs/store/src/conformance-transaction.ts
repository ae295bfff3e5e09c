/** Conformance of the store: all or nothing, isolation, turns, restarts and a dead driver. */
import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Check } from './conformance-harness.ts';
import { insertNotes, makeTable, notesIn, notesOf, rejectsAs } from './conformance-harness.ts';
import type { Transaction } from './store.ts';
import { Rollback } from './store.ts';

export function checkTransactions(check: Check): void {
  check('a transaction commits what it did and returns its result', async ({ store }) => {
    const table = await makeTable(store);
    const result = await store.transaction(async (tx) => {
      await tx.insert(table, [['a', 1, 'x', null]], 'fail');
      return 'done';
    });
    assert.equal(result, 'done');
    assert.deepEqual(await notesIn(store, table), ['x']);
  });

  check('a transaction sees its own changes', async ({ store }) => {
    const table = await makeTable(store);
    await store.transaction(async (tx) => {
      await tx.insert(table, [['a', 1, 'x', null]], 'fail');
      assert.deepEqual(notesOf(await tx.query(`SELECT note FROM ${table.name}`)), ['x']);
      assert.deepEqual(notesOf(await tx.queryForUpdate(`SELECT note FROM ${table.name} WHERE b = ?`, [1])), ['x']);
    });
  });

  check('a transaction reads several things at once, also before anything else', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['x', 'y']);
    const sql = `SELECT note FROM ${table.name} WHERE b = ?`;
    await store.transaction(async (tx) => {
      const rows = await tx.queryAll([0, 7, 1].map((b) => ({ sql, parameters: [b] })));
      assert.deepEqual(rows.map(notesOf), [['x'], [], ['y']]);
      assert.deepEqual(await tx.queryAll([]), []);
      await tx.run(`UPDATE ${table.name} SET note = 'z' WHERE b = 0`);
      assert.deepEqual((await tx.queryAll([{ sql, parameters: [0] }])).map(notesOf), [['z']]);
    });
    assert.deepEqual(await notesIn(store, table), ['z', 'y']);
  });

  check('work that throws leaves nothing behind, and its error is thrown on', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['before']);
    const thrown = new Error('no');
    const failing = store.transaction(async (tx) => {
      await tx.run(`UPDATE ${table.name} SET note = 'changed'`);
      await tx.insert(table, [['a', 9, 'x', null]], 'fail');
      throw thrown;
    });
    await assert.rejects(failing, (error) => error === thrown);
    assert.deepEqual(await notesIn(store, table), ['before']);
  });

  check('a Rollback leaves nothing behind and gives its result', async ({ store }) => {
    const table = await makeTable(store);
    const result = await store.transaction<string>(async (tx) => {
      await tx.insert(table, [['a', 1, 'x', null]], 'fail');
      throw new Rollback('fenced');
    });
    assert.equal(result, 'fenced');
    assert.deepEqual(await notesIn(store, table), []);
  });

  check('a key that is there is a conflict, and nothing of the transaction happens', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['before']);
    const conflicting = store.transaction((tx) =>
      tx.insert(
        table,
        [
          ['a', 5, 'new', null],
          ['a', 0, 'repeat', null],
        ],
        'fail',
      ),
    );
    await rejectsAs('conflict', conflicting);
    assert.deepEqual(await notesIn(store, table), ['before']);
  });

  check('after a failed statement nothing is committed, even if the work goes on', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['before']);
    const swallowing = store.transaction(async (tx) => {
      await tx.insert(table, [['a', 5, 'new', null]], 'fail');
      await tx.insert(table, [['a', 0, 'repeat', null]], 'fail').catch(() => undefined);
    });
    await rejectsAs('conflict', swallowing);
    assert.deepEqual(await notesIn(store, table), ['before']);
  });

  check('a wrong statement is invalid, in and outside of a transaction', async ({ store }) => {
    await rejectsAs('invalid', store.query('SELEKT 1'));
    await rejectsAs('invalid', store.query('SELECT * FROM no_such_table'));
    await rejectsAs(
      'invalid',
      store.transaction((tx) => tx.run('UPDATE no_such_table SET a = 1')),
    );
    await rejectsAs(
      'invalid',
      store.transaction((tx) => tx.run('COMMIT')),
    );
    await rejectsAs('invalid', store.query('SELECT 1; SELECT 2'));
  });

  check('the store works on after every kind of failure', async ({ store }) => {
    const table = await makeTable(store);
    await rejectsAs(
      'invalid',
      store.transaction((tx) => tx.run('SELEKT 1')),
    );
    await assert.rejects(store.transaction(() => Promise.reject(new Error('no'))));
    await insertNotes(store, table, ['x']);
    assert.deepEqual(await notesIn(store, table), ['x']);
  });

  check('a query sees only what is committed while a transaction is open', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['old']);
    await store.transaction(async (tx) => {
      await tx.run(`UPDATE ${table.name} SET note = 'new'`);
      assert.deepEqual(await notesIn(store, table), ['old']);
    });
    assert.deepEqual(await notesIn(store, table), ['new']);
  });

  check('transactions that lock the same row follow one another', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['0']);
    const increment = (): Promise<void> =>
      store.transaction(async (tx) => {
        const [row] = await tx.queryForUpdate(`SELECT note FROM ${table.name} WHERE a = ? AND b = ?`, ['a', 0]);
        // Lets the others try to come in between, as the answer of a server would.
        await nextTurn();
        await tx.run(`UPDATE ${table.name} SET note = ? WHERE a = ? AND b = ?`, [
          String(Number(row?.['note']) + 1),
          'a',
          0,
        ]);
      });
    await Promise.all(Array.from({ length: 30 }, increment));
    assert.deepEqual(await notesIn(store, table), ['30']);
  });

  check('a compare-and-set is won by one of many', async ({ store }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['free']);
    const claims = Array.from({ length: 10 }, (_, index) =>
      store.transaction((tx) => tx.run(`UPDATE ${table.name} SET note = ? WHERE note = 'free'`, [`owner ${index}`])),
    );
    const matched = await Promise.all(claims);
    assert.equal(matched.filter((count) => count === 1).length, 1);
    assert.equal(matched.filter((count) => count === 0).length, 9);
  });

  check('a transaction that is over takes no more statements', async ({ store }) => {
    const table = await makeTable(store);
    let leaked: Transaction | undefined;
    await store.transaction(async (tx) => {
      leaked = tx;
    });
    await rejectsAs('invalid', leaked?.insert(table, [['a', 1, 'x', null]], 'fail') ?? Promise.resolve());
    assert.deepEqual(await notesIn(store, table), []);
  });

  check('what was committed survives a restart', async ({ store, reopen }) => {
    const table = await makeTable(store);
    await insertNotes(store, table, ['x', 'y']);
    assert.deepEqual(await notesIn(await reopen(), table), ['x', 'y']);
  });

  check('transactions that were begun before closing are answered', async ({ store, reopen }) => {
    const table = await makeTable(store);
    const pending = [0, 1, 2].map((from) => insertNotes(store, table, ['x'], from));
    const reopened = await reopen();
    const settled = await Promise.allSettled(pending);
    assert.equal(
      (await notesIn(reopened, table)).length,
      settled.filter(({ status }) => status === 'fulfilled').length,
    );
  });

  check('a dead driver is an error everywhere, never silence', async ({ store, makeDead }) => {
    const table = await makeTable(store);
    await makeDead();
    await rejectsAs('unavailable', store.query(`SELECT * FROM ${table.name}`));
    await rejectsAs('unavailable', insertNotes(store, table, ['x']));
  });
}
