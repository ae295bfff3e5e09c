import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openMysqlStore } from '@chappe/store/mysql-store';
import { ownDatabase, skipWithoutServer } from '../../../../libs/store/test/mysql/own-database.ts';
import { commitThroughFence, resolveUnknown } from '../../src/fence.ts';
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
});
