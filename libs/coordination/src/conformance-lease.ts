/** Conformance of coordination: leases, and the keys that live and go with them. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import { put, rejectsAs, valueOf } from './conformance-harness.ts';
import type { Coordination } from './coordination.ts';

export function checkLeases(check: Check): void {
  check('keys under a lease vanish when it is disposed, the others stay', async ({ coordination }) => {
    const [lease, other] = [await coordination.grantLease(10_000), await coordination.grantLease(10_000)];
    await put(coordination, 'shards/a', '1', lease);
    await put(coordination, 'shards/b', '1', other);
    const before = await put(coordination, 'shards/c', '1');
    await lease[Symbol.asyncDispose]();
    const { entries, revision } = await coordination.list('shards/');
    assert.deepEqual(
      entries.map(({ key }) => key),
      ['shards/b', 'shards/c'],
    );
    assert.ok(revision > before);
    await other[Symbol.asyncDispose]();
  });

  check('keys under a lease that is lost vanish, and its holder is told', async ({ coordination, loseLease }) => {
    const lease = await coordination.grantLease(1_000);
    await put(coordination, 'shards/a', '1', lease);
    assert.equal(lease.lost.aborted, false);
    const told = new Promise((resolve) => lease.lost.addEventListener('abort', resolve, { once: true }));
    await loseLease(lease);
    assert.equal(await valueOf(coordination, 'shards/a'), undefined);
    await told;
    await rejectsAs('lease_lost', put(coordination, 'shards/a', '2', lease));
    await lease[Symbol.asyncDispose]();
  });

  check('nothing can be put under a lease that was disposed, which is no loss', async ({ coordination }) => {
    const lease = await coordination.grantLease(10_000);
    await lease[Symbol.asyncDispose]();
    await lease[Symbol.asyncDispose]();
    await rejectsAs('lease_lost', put(coordination, 'a', '1', lease));
    assert.equal(await valueOf(coordination, 'a'), undefined);
    assert.equal(lease.lost.aborted, false);
  });

  check('a lease says its time to live and when it was confirmed', async ({ coordination }) => {
    await using lease = await coordination.grantLease(5_000);
    assert.equal(lease.ttlMs, 5_000);
    assert.ok(Number.isFinite(lease.confirmedAtMs()));
    assert.ok(lease.confirmedAtMs() <= performance.now());
  });

  check('a lease shorter than a second is invalid', async ({ coordination }) => {
    await rejectsAs('invalid', coordination.grantLease(999));
    await rejectsAs('invalid', coordination.grantLease(Number.NaN));
  });

  check('a key put anew without its lease stays when the lease goes', async ({ coordination, reopen }) => {
    const lease = await coordination.grantLease(10_000);
    await put(coordination, 'a', '1', lease);
    await put(coordination, 'a', '2');
    await lease[Symbol.asyncDispose]();
    assert.equal(await valueOf(coordination, 'a'), '2');
    assert.equal(await valueOf(await reopen(), 'a'), '2');
  });

  check('a key put anew under a lease goes with it', async ({ coordination, reopen }) => {
    const lease = await coordination.grantLease(10_000);
    await put(coordination, 'a', '1');
    await put(coordination, 'a', '2', lease);
    await lease[Symbol.asyncDispose]();
    assert.equal(await valueOf(coordination, 'a'), undefined);
    assert.equal(await valueOf(await reopen(), 'a'), undefined);
  });

  check('a lease and its keys do not outlive their holder', async ({ coordination, reopen }) => {
    const lease = await coordination.grantLease(1_000);
    const revision = await put(coordination, 'shards/a', '1', lease);
    const reopened = await reopen();
    await untilGone(reopened, 'shards/a');
    assert.ok((await put(reopened, 'b', '1')) > revision);
  });

  check('a leader that lost its lease cannot write against its own key', async ({ coordination, loseLease }) => {
    const lease = await coordination.grantLease(1_000);
    const createRevision = await put(coordination, 'leader', '"first"', lease);
    const write = (value: string) =>
      coordination.transact([{ key: 'leader', createRevision }], [{ kind: 'put', key: 'ranges/r-1', value }]);
    assert.equal((await write('1')).succeeded, true);
    await loseLease(lease);
    assert.equal((await write('2')).succeeded, false);
    await using next = await coordination.grantLease(10_000);
    await put(coordination, 'leader', '"second"', next);
    assert.equal((await write('3')).succeeded, false);
    assert.equal(await valueOf(coordination, 'ranges/r-1'), '1');
  });
}

/** Waits until a key is gone with its lease, which takes the TTL on drivers whose server outlives the holder. */
async function untilGone(coordination: Coordination, key: string): Promise<void> {
  let changed = Promise.withResolvers<void>();
  const watch = coordination.watch(key, () => changed.resolve());
  while ((await coordination.get(key)) !== undefined) {
    await changed.promise;
    changed = Promise.withResolvers<void>();
  }
  watch[Symbol.dispose]();
}
