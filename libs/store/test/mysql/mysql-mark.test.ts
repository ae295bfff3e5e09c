import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openMysqlStore } from '../../src/mysql-store.ts';
import { makeMark, raiseMark, readMark } from '../../src/store-mark.ts';
import { rejectsAs } from '../../src/conformance-harness.ts';
import { ownDatabase, skipWithoutServer } from './own-database.ts';

describe('the mark of a database', { skip: skipWithoutServer }, () => {
  test('is made once, and every new connection that expects another is refused', async () => {
    await using database = await ownDatabase();
    await using plain = await openMysqlStore(database.options);
    assert.equal(await readMark(plain), undefined);
    const any = { identity: 'any', incarnation: 1 };
    await rejectsAs('unavailable', openMysqlStore({ ...database.options, mark: any }));
    const mark = await makeMark(plain);
    assert.deepEqual(await makeMark(plain), mark);
    await rejectsAs('unavailable', openMysqlStore({ ...database.options, mark: any }));

    await using expecting = await openMysqlStore({ ...database.options, mark, readConnectionsMax: 1 });
    const raised = { ...mark, incarnation: 4 };
    await raiseMark(plain, raised);
    await raiseMark(plain, { ...mark, incarnation: 3 });
    assert.deepEqual(await readMark(plain), raised);
    // A connection that was there goes on; a new one, as for this first transaction, does not.
    await expecting.query('SELECT 1');
    await assert.rejects(
      expecting.transaction((tx) => tx.run('DO 0')),
      /incarnation 4, and incarnation 1 is expected: it is ahead/,
    );
    await assert.rejects(
      openMysqlStore({ ...database.options, mark: { ...mark, incarnation: 5 } }),
      /a copy from before/,
    );
    await using now = await openMysqlStore({ ...database.options, mark: raised });
    assert.equal((await now.query('SELECT 1 AS one'))[0]?.['one'], 1);
  });
});
