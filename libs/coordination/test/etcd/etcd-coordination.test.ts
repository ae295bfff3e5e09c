/** etcd coordination: the conformance suite on the server that the environment names. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { Etcd3 } from 'etcd3';
import { coordinationConformance } from '../../src/conformance.ts';
import type { CoordinationHarness } from '../../src/conformance-harness.ts';
import { put, rejectsAs, valueOf } from '../../src/conformance-harness.ts';
import type { Lease } from '../../src/coordination.ts';
import type { EtcdCoordinationOptions } from '../../src/etcd-coordination.ts';
import { openEtcdCoordination } from '../../src/etcd-coordination.ts';
import { EtcdLease } from '../../src/etcd-lease.ts';

const endpoints = process.env['CHAPPE_ETCD_ENDPOINTS']?.split(',') ?? [];
const skip = endpoints.length === 0 && 'CHAPPE_ETCD_ENDPOINTS is not set: `make test` does';

interface OwnPrefix extends AsyncDisposable {
  readonly options: EtcdCoordinationOptions;
  readonly raw: Etcd3;
}

/** A prefix that no other test has, emptied at the end. */
function ownPrefix(): OwnPrefix {
  const prefix = `/chappe-test/${randomBytes(8).toString('hex')}`;
  const raw = new Etcd3({ hosts: endpoints });
  return {
    options: { endpoints, prefix, clusterId: 'test' },
    raw,
    async [Symbol.asyncDispose]() {
      await raw.delete().prefix(prefix);
      raw.close();
    },
  };
}

if (skip === false) {
  coordinationConformance('etcd', async (): Promise<CoordinationHarness> => {
    const own = ownPrefix();
    const coordination = await openEtcdCoordination(own.options);
    let current = coordination;
    return {
      coordination,
      async reopen() {
        await current[Symbol.asyncDispose]();
        current = await openEtcdCoordination(own.options);
        return current;
      },
      loseLease: async (lease) => {
        await own.raw.leaseClient.leaseRevoke({ ID: idOf(lease) });
      },
      makeDead: async () => coordination[Symbol.asyncDispose](),
      async [Symbol.asyncDispose]() {
        await current[Symbol.asyncDispose]();
        await own[Symbol.asyncDispose]();
      },
    };
  });
}

describe('etcd: what is checked before it is used', { skip }, () => {
  test('two clusters pointed at one prefix: the second is refused and told whose it is', async () => {
    await using own = ownPrefix();
    await using first = await openEtcdCoordination({ ...own.options, clusterId: 'paris' });
    await put(first, 'generation', '1');
    const second = openEtcdCoordination({ ...own.options, clusterId: 'lyon' });
    await rejectsAs('invalid', second);
    await assert.rejects(second, /belong to the cluster paris, and this is lyon/);
    await using again = await openEtcdCoordination({ ...own.options, clusterId: 'paris' });
    assert.equal(await valueOf(again, 'generation'), '1');
  });

  test('clusters with prefixes of their own do not see each other', async () => {
    await using own = ownPrefix();
    const other = { ...own.options, prefix: `${own.options.prefix}/b`, clusterId: 'b' };
    await using first = await openEtcdCoordination(own.options);
    await using second = await openEtcdCoordination(other);
    await put(second, 'a', '1');
    assert.equal(await valueOf(first, 'a'), undefined);
  });

  test('no member at an endpoint: the error names it', async () => {
    const opening = openEtcdCoordination({ endpoints: ['127.0.0.1:1'], prefix: '/chappe-test', clusterId: 'test' });
    await rejectsAs('unavailable', opening);
    await assert.rejects(opening, /etcd at 127\.0\.0\.1:1: .*ECONNREFUSED/);
  });

  test('malformed endpoints and prefixes are refused', async () => {
    const good = { endpoints: ['127.0.0.1:1'], prefix: '/chappe-test', clusterId: 'test' };
    await rejectsAs('invalid', openEtcdCoordination({ ...good, endpoints: [] }));
    await rejectsAs('invalid', openEtcdCoordination({ ...good, endpoints: ['http://127.0.0.1:2379'] }));
    await rejectsAs('invalid', openEtcdCoordination({ ...good, tls: { authority: Buffer.from('') } }));
    await rejectsAs('invalid', openEtcdCoordination({ ...good, prefix: 'chappe/' }));
    await rejectsAs('invalid', openEtcdCoordination({ ...good, clusterId: '' }));
  });

  test('a member that does not answer is passed over', async () => {
    await using own = ownPrefix();
    for (let round = 0; round < 4; round += 1) {
      await using coordination = await openEtcdCoordination({
        ...own.options,
        endpoints: ['127.0.0.1:1', ...endpoints],
      });
      assert.equal(await valueOf(coordination, 'a'), undefined);
      await put(coordination, 'b', '1');
    }
  });

  test('a transaction that found no member is sent to the next', async () => {
    await using own = ownPrefix();
    for (let round = 0; round < 4; round += 1) {
      await using coordination = await openEtcdCoordination({
        ...own.options,
        endpoints: [...endpoints, '127.0.0.1:1'],
      });
      const { succeeded } = await coordination.transact([], [{ kind: 'put', key: 'a', value: '1' }]);
      assert.ok(succeeded);
    }
  });
});

function idOf(lease: Lease): string {
  assert.ok(lease instanceof EtcdLease);
  return lease.id;
}
