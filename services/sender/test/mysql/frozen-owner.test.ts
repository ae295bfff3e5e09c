import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openMysqlStore } from '@chappe/store/mysql-store';
import type { SqlValue } from '@chappe/store/store';
import { ownDatabase, skipWithoutServer } from '../../../../libs/store/test/mysql/own-database.ts';
import { commitThroughFence, resolveUnknown } from '../../src/fence.ts';
import { outboxTable } from '../../src/tables.ts';
import { deletePublished } from '../../src/write-changes.ts';
import { claim, migrateSender, oneMore } from '../one-range.ts';

describe('the fence on MySQL', { skip: skipWithoutServer }, () => {
  test('an owner frozen inside its transaction keeps nobody from the range, and commits nothing when it wakes (FENCE)', async () => {
    await using database = await ownDatabase();
    await using frozen = await openMysqlStore(database.options);
    await using successor = await openMysqlStore(database.options);
    await migrateSender(frozen);
    const held = await claim(frozen, 1, 'one');
    const [inside, wake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const work = commitThroughFence(frozen, 'r1', held, oneMore(held), async (tx) => {
      inside.resolve();
      await wake.promise;
      await tx.run("UPDATE range_progress SET last_id = 'late' WHERE range_id = 'r1'");
    });
    await inside.promise;

    const startedMs = performance.now();
    const taken = await claim(successor, 2, 'two');
    // 2 s for the lock and what the rest costs; without ending the owner's connection it is 5 s and more.
    assert.ok(performance.now() - startedMs < 4_000);
    assert.deepEqual([taken.epoch, taken.nextOffset], [2, held.nextOffset]);

    wake.resolve();
    const outcome = await work;
    assert.ok(outcome.kind === 'refused' || outcome.kind === 'unknown');
    assert.deepEqual(await resolveUnknown(frozen, 'r1', held), { kind: 'fenced', epoch: 2 });
    assert.equal(
      (await commitThroughFence(successor, 'r1', taken, oneMore(taken), async () => undefined)).kind,
      'committed',
    );
  });

  test('what a worker has published is deleted past the rows of a neighbour that is frozen', async () => {
    await using database = await ownDatabase();
    await using store = await openMysqlStore(database.options);
    await migrateSender(store);
    const frame = (rangeId: string, eventNo: number): SqlValue[] => [rangeId, eventNo, 0, new Uint8Array([1])];
    await store.transaction((tx) => tx.insert(outboxTable, [frame('r1', 1), frame('r1', 2)], 'fail'));
    const [inside, wake] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const neighbour = store.transaction(async (tx) => {
      await tx.insert(outboxTable, [frame('r2', 1)], 'fail');
      inside.resolve();
      await wake.promise;
    });
    await inside.promise;
    // A scan up to the second one would look at the neighbour's row, and be refused after its wait for the lock.
    await store.transaction((tx) => deletePublished(tx, 'r1', 0, 2));
    wake.resolve();
    await neighbour;
    assert.deepEqual(await store.query('SELECT range_id, event_no FROM outbox'), [{ range_id: 'r2', event_no: 1 }]);
  });
});
