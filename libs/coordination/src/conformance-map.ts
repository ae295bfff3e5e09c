/** Conformance of coordination: the map, its revisions and its transactions. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import { put, rejectsAs, remove, valueOf } from './conformance-harness.ts';
import type { Compare } from './coordination.ts';
import { transactionItemsMax } from './limits.ts';

export function checkMap(check: Check): void {
  check('a key that was put is there with its revisions, and one that was not is absent', async ({ coordination }) => {
    const revision = await put(coordination, 'ranges/r-1', '{"é":"🐄"}');
    assert.deepEqual(await coordination.get('ranges/r-1'), {
      key: 'ranges/r-1',
      value: '{"é":"🐄"}',
      createRevision: revision,
      modRevision: revision,
    });
    assert.equal(await coordination.get('ranges/r-2'), undefined);
  });

  check('revisions grow with every change of anything', async ({ coordination }) => {
    const revisions = [
      await put(coordination, 'a', '1'),
      await put(coordination, 'b', '1'),
      await put(coordination, 'a', '1'),
      await remove(coordination, 'b'),
      await put(coordination, 'b', '1'),
    ];
    revisions.forEach((revision, index) => assert.ok(index === 0 || revision > (revisions[index - 1] ?? Infinity)));
    assert.equal((await coordination.list('')).revision, revisions.at(-1));
  });

  check('a change keeps the create revision, and a deletion ends it', async ({ coordination }) => {
    const created = await put(coordination, 'a', '1');
    const changed = await put(coordination, 'a', '2');
    assert.equal((await coordination.get('a'))?.createRevision, created);
    assert.equal((await coordination.get('a'))?.modRevision, changed);
    await remove(coordination, 'a');
    const createdAnew = await put(coordination, 'a', '3');
    assert.equal((await coordination.get('a'))?.createRevision, createdAnew);
  });

  check('a list has the keys of a prefix in order, at one revision', async ({ coordination }) => {
    for (const key of ['ranges/b', 'ranges/a', 'range', 'ranges/a/c', 'shards/a', 'ranges/B']) {
      await put(coordination, key, `"${key}"`);
    }
    const { entries, revision } = await coordination.list('ranges/');
    assert.deepEqual(
      entries.map(({ key }) => key),
      ['ranges/B', 'ranges/a', 'ranges/a/c', 'ranges/b'],
    );
    assert.ok(entries.every(({ modRevision }) => modRevision <= revision));
    assert.deepEqual((await coordination.list('none/')).entries, []);
  });

  check('a list is never of half a transaction', async ({ coordination }) => {
    const writing = (async () => {
      for (let round = 0; round < 50; round += 1) {
        const value = String(round);
        await coordination.transact(
          [],
          [
            { kind: 'put', key: 'pair/a', value },
            { kind: 'put', key: 'pair/b', value },
          ],
        );
      }
    })();
    for (let round = 0; round < 50; round += 1) {
      const [first, second] = (await coordination.list('pair/')).entries;
      assert.equal(first?.value, second?.value);
      assert.equal(first?.modRevision, second?.modRevision);
    }
    await writing;
  });

  check('a transaction whose comparisons hold does all, another nothing', async ({ coordination }) => {
    const revision = await put(coordination, 'a', '1');
    const held: Compare[] = [
      { key: 'a', createRevision: revision },
      { key: 'a', modRevision: revision },
      { key: 'b', absent: true },
    ];
    const done = await coordination.transact(held, [
      { kind: 'put', key: 'b', value: '2' },
      { kind: 'delete', key: 'a' },
    ]);
    assert.equal(done.succeeded, true);
    assert.equal(await valueOf(coordination, 'a'), undefined);
    assert.equal((await coordination.get('b'))?.modRevision, done.revision);

    const refused = await coordination.transact(
      [{ key: 'a', absent: true }, ...held],
      [{ kind: 'put', key: 'c', value: '3' }],
    );
    assert.deepEqual(refused, { succeeded: false, revision: done.revision });
    assert.equal(await valueOf(coordination, 'c'), undefined);
  });

  check('each kind of comparison can fail', async ({ coordination }) => {
    const created = await put(coordination, 'a', '1');
    const changed = await put(coordination, 'a', '2');
    const failing: Compare[] = [
      { key: 'a', absent: true },
      { key: 'a', createRevision: changed },
      { key: 'a', modRevision: created },
      { key: 'b', modRevision: created },
    ];
    for (const compare of failing) {
      const { succeeded } = await coordination.transact([compare], [{ kind: 'put', key: 'a', value: 'wrong' }]);
      assert.equal(succeeded, false, JSON.stringify(compare));
    }
    assert.equal(await valueOf(coordination, 'a'), '2');
  });

  check('a key that is not there compares as revision 0', async ({ coordination }) => {
    const compares: Compare[] = [
      { key: 'a', createRevision: 0 },
      { key: 'a', modRevision: 0 },
    ];
    assert.equal((await coordination.transact(compares, [{ kind: 'put', key: 'a', value: '1' }])).succeeded, true);
    assert.equal((await coordination.transact(compares, [{ kind: 'put', key: 'a', value: '2' }])).succeeded, false);
  });

  check('of many that create one key, one succeeds', async ({ coordination }) => {
    const attempts = Array.from({ length: 10 }, (_, index) =>
      coordination.transact([{ key: 'leader', absent: true }], [{ kind: 'put', key: 'leader', value: String(index) }]),
    );
    const outcomes = await Promise.all(attempts);
    const winner = outcomes.findIndex(({ succeeded }) => succeeded);
    assert.equal(outcomes.filter(({ succeeded }) => succeeded).length, 1);
    assert.equal(await valueOf(coordination, 'leader'), String(winner));
  });

  check('increments by compare-and-set lose no update', async ({ coordination }) => {
    await put(coordination, 'generation', '0');
    const increment = async (): Promise<void> => {
      for (;;) {
        const current = await coordination.get('generation');
        const { succeeded } = await coordination.transact(
          [{ key: 'generation', modRevision: current?.modRevision ?? 0 }],
          [{ kind: 'put', key: 'generation', value: String(Number(current?.value) + 1) }],
        );
        if (succeeded) return;
      }
    };
    await Promise.all(Array.from({ length: 10 }, increment));
    assert.equal(await valueOf(coordination, 'generation'), '10');
  });

  check('a transaction beyond a limit is invalid and does nothing', async ({ coordination }) => {
    const keys = Array.from({ length: transactionItemsMax + 1 }, (_, index) => `k/${index}`);
    const puts = keys.map((key) => ({ kind: 'put', key, value: '1' }) as const);
    const compares = keys.map((key) => ({ key, absent: true }) as const);
    await rejectsAs('invalid', coordination.transact([], puts));
    await rejectsAs('invalid', coordination.transact(compares, []));
    await rejectsAs('invalid', coordination.transact([], [...puts.slice(0, 1), { kind: 'delete', key: 'k/0' }]));
    assert.deepEqual((await coordination.list('k/')).entries, []);
    assert.equal((await coordination.transact(compares.slice(1), puts.slice(1))).succeeded, true);
  });

  check('what has no lease survives a restart, and revisions go on growing', async ({ coordination, reopen }) => {
    await put(coordination, 'a', '1');
    await put(coordination, 'b', '1');
    await put(coordination, 'b', '2');
    const last = await remove(coordination, 'a');
    const { entries } = await coordination.list('');
    const reopened = await reopen();
    assert.deepEqual((await reopened.list('')).entries, entries);
    assert.ok((await reopened.list('')).revision >= last);
    assert.ok((await put(reopened, 'c', '1')) > last);
  });

  check('a dead driver is an error everywhere, never silence', async ({ coordination, makeDead }) => {
    await makeDead();
    await rejectsAs('unavailable', coordination.get('a'));
    await rejectsAs('unavailable', coordination.list(''));
    await rejectsAs('unavailable', coordination.transact([], [{ kind: 'put', key: 'a', value: '1' }]));
    await rejectsAs('unavailable', coordination.grantLease(1_000));
  });
}
