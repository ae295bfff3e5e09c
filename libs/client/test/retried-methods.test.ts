import { ChappeError } from '@chappe/errors/chappe-error';
import { ClusterService } from '@chappe/proto/v1/cluster_service';
import { BusinessService } from '@chappe/proto/v1/business_service';
import { implement, startServer } from '@chappe/rpc/server';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { AdminClient } from '../src/admin-client.ts';
import { callAttemptsMax } from '../src/limits.ts';

interface Gateway {
  readonly client: AdminClient;
  readonly calls: { list: number; create: number };
}

/** A server that refuses the first calls of each method, for a reason that passes. */
async function refusing(t: TestContext, refusals: number): Promise<Gateway> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-client-'));
  const calls = { list: 0, create: 0 };
  const refuse = (count: number): void => {
    if (count <= refusals) throw new ChappeError('notReady', 'starting');
  };
  const server = await startServer({
    address: `unix:${join(folder, 'gateway.sock')}`,
    onUnexpected: (error) => assert.fail(String(error)),
    implementations: [
      implement(ClusterService, {
        listRanges: async () => {
          refuse((calls.list += 1));
          return { generation: 7n };
        },
        listShards: async () => ({}),
        drainShard: async () => ({}),
        reshapeRanges: async () => ({}),
        cancelReshape: async () => ({}),
        listReshapes: async () => ({}),
        moveRange: async () => ({}),
        getPlan: async () => ({}),
        listJournal: async () => ({}),
        listStores: async () => ({}),
        changeStore: async () => ({}),
      }),
      implement(BusinessService, {
        create: async () => {
          refuse((calls.create += 1));
          return {};
        },
        list: async () => ({}),
        updateSettings: async () => ({}),
        addNumber: async () => ({}),
        createKey: async () => ({}),
        listKeys: async () => ({}),
        revokeKey: async () => ({}),
      }),
    ],
  });
  const client = new AdminClient({ address: server.address, adminKey: 'key' });
  t.after(async () => {
    client[Symbol.dispose]();
    await server.close(0);
    await rm(folder, { recursive: true });
  });
  return { client, calls };
}

test('a call that is safe to repeat is made again while its refusal passes', async (t) => {
  const { client, calls } = await refusing(t, 2);
  assert.equal((await client.cluster.listRanges({})).generation, 7n);
  assert.equal(calls.list, 3);
});

test('one that is not is made once', async (t) => {
  const { client, calls } = await refusing(t, 2);
  await assert.rejects(client.businesses.create({ name: 'Air', number: '+33123456789' }), /starting/);
  assert.equal(calls.create, 1);
});

test('BOUND: a call is made a few times, and not beyond its deadline', async (t) => {
  const { client, calls } = await refusing(t, 1_000);
  await assert.rejects(client.cluster.listRanges({}), /starting/);
  assert.equal(calls.list, callAttemptsMax);
  await assert.rejects(client.cluster.listRanges({}, { deadlineMs: 50 }));
  assert.ok(calls.list < 2 * callAttemptsMax);
});
