/** etcd coordination against servers that are paused, killed and restored: each test names its trap. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { put, rejectsAs, valueOf } from '../../src/conformance-harness.ts';
import type { Coordination } from '../../src/coordination.ts';
import { CoordinationError } from '../../src/coordination.ts';
import { openEtcdCoordination } from '../../src/etcd-coordination.ts';
import { etcdCallMs } from '../../src/limits.ts';
import { OwnEtcd } from './own-etcd.ts';

const skip =
  process.env['CHAPPE_ETCD_ENDPOINTS'] === undefined && 'set CHAPPE_ETCD_ENDPOINTS; these start an etcd of their own';

function open(etcd: OwnEtcd): Promise<Coordination> {
  return openEtcdCoordination({ endpoints: [etcd.endpoint], prefix: '/chappe', clusterId: 'test' });
}

/** Resolves when the watch calls, after this was made. */
function nextCall(coordination: Coordination, prefix: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = coordination.watch(prefix, () => {
    watch[Symbol.dispose]();
    resolve();
  });
  return promise;
}

async function untilReachable(coordination: Coordination): Promise<void> {
  for (;;) {
    try {
      await coordination.get('any');
      return;
    } catch (error) {
      if (!(error instanceof CoordinationError)) throw error;
    }
  }
}

describe('etcd: what happens to a client when the server is paused, killed or restored', { skip }, () => {
  test('late lost: a lease that cannot be renewed is lost after one TTL, not two', async () => {
    await using etcd = await OwnEtcd.start();
    await using coordination = await open(etcd);
    await using lease = await coordination.grantLease(2_000);
    etcd.signal('SIGSTOP');
    await once(lease.lost, 'abort');
    const withoutConfirmationMs = performance.now() - lease.confirmedAtMs();
    assert.ok(withoutConfirmationMs >= lease.ttlMs, `after ${withoutConfirmationMs} ms`);
    assert.ok(withoutConfirmationMs < 1.5 * lease.ttlMs, `after ${withoutConfirmationMs} ms`);
    await rejectsAs('lease_lost', put(coordination, 'a', '1', lease));
    etcd.signal('SIGCONT');
  });

  test('silence: every call to a paused etcd is answered with an error, and works when it goes on', async () => {
    await using etcd = await OwnEtcd.start();
    await using coordination = await open(etcd);
    etcd.signal('SIGSTOP');
    const startedMs = performance.now();
    await Promise.all([
      rejectsAs('unavailable', coordination.get('a')),
      rejectsAs('unavailable', coordination.list('')),
      rejectsAs('unavailable', coordination.transact([], [{ kind: 'put', key: 'a', value: '1' }])),
      rejectsAs('unavailable', coordination.grantLease(1_000)),
    ]);
    assert.ok(performance.now() - startedMs < 2 * etcdCallMs);
    etcd.signal('SIGCONT');
    await untilReachable(coordination);
    await put(coordination, 'b', '1');
  });

  test('a commit whose answer was lost happened once, and is never said to have failed', async () => {
    await using etcd = await OwnEtcd.start();
    await using coordination = await open(etcd);
    await put(coordination, 'before', '1');
    etcd.signal('SIGSTOP');
    const claim = coordination.transact(
      [{ key: 'leader', absent: true }],
      [{ kind: 'put', key: 'leader', value: 'me' }],
    );
    await rejectsAs('unavailable', claim);
    etcd.signal('SIGCONT');
    await untilReachable(coordination);
    const entry = await coordination.get('leader');
    assert.ok(entry === undefined || (entry.value === 'me' && entry.createRevision === entry.modRevision));
  });

  test('a short pause loses no lease, and a watch goes on', async () => {
    await using etcd = await OwnEtcd.start();
    await using coordination = await open(etcd);
    await using lease = await coordination.grantLease(10_000);
    await put(coordination, 'shards/a', '1', lease);
    const called = nextCall(coordination, 'ranges/');
    etcd.signal('SIGSTOP');
    await rejectsAs('unavailable', coordination.get('a'));
    etcd.signal('SIGCONT');
    await untilReachable(coordination);
    assert.equal(lease.lost.aborted, false);
    assert.equal(await valueOf(coordination, 'shards/a'), '1');
    await put(coordination, 'ranges/a', '1');
    await called;
  });

  test('kill -9: what was confirmed is there, leases go on, and watchers hear of what they missed', async () => {
    await using etcd = await OwnEtcd.start();
    await using coordination = await open(etcd);
    await using lease = await coordination.grantLease(20_000);
    await put(coordination, 'shards/a', '1', lease);
    await put(coordination, 'ranges/a', '1');
    const called = nextCall(coordination, 'ranges/');
    await etcd.kill();
    await rejectsAs('unavailable', coordination.get('ranges/a'));
    await etcd.start();
    await using other = await open(etcd);
    await put(other, 'ranges/a', '2');
    await called;
    await untilReachable(coordination);
    assert.equal(await valueOf(coordination, 'ranges/a'), '2');
    assert.equal(await valueOf(coordination, 'shards/a'), '1');
    assert.equal(lease.lost.aborted, false);
  });

  test('an etcd that was restored from a backup, at an earlier revision, is watched all the same', async () => {
    await using etcd = await OwnEtcd.start();
    await using coordination = await open(etcd);
    await put(coordination, 'ranges/a', 'old');
    await etcd.kill();
    await etcd.backUp();
    await etcd.start();
    await untilReachable(coordination);
    const [first, later] = [nextCall(coordination, 'ranges/'), Promise.withResolvers<void>()];
    for (let count = 0; count < 50; count += 1) await put(coordination, 'ranges/a', String(count));
    await first;
    await etcd.kill();
    await etcd.restore();
    await etcd.start();
    await untilReachable(coordination);
    assert.equal(await valueOf(coordination, 'ranges/a'), 'old');
    const watch = coordination.watch('ranges/', () => {
      void valueOf(coordination, 'ranges/a').then((value) => value === 'new' && later.resolve());
    });
    await put(coordination, 'ranges/a', 'new');
    await later.promise;
    watch[Symbol.dispose]();
  });
});
