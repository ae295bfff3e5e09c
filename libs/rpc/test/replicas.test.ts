import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { ChappeError } from '@chappe/errors/chappe-error';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { Channel, type ChannelOptions } from '../src/client.ts';
import { healthDeadlineMs, healthIntervalMs } from '../src/limits.ts';
import { implement, startServer, type RpcServer } from '../src/server.ts';

interface Replica {
  readonly server: RpcServer;
  calls: number;
}

/** @param refusal thrown by every call */
async function startReplica(t: TestContext, refusal?: ChappeError): Promise<Replica> {
  const replica: { calls: number } = { calls: 0 };
  const server = await startServer({
    address: '127.0.0.1:0',
    onUnexpected: (error) => assert.fail(String(error)),
    implementations: [
      implement(PreKeyService, {
        claim: async () => {
          replica.calls += 1;
          if (refusal !== undefined) throw refusal;
          return {};
        },
      }),
    ],
  });
  server.setServing(true);
  t.after(() => server.close(0));
  return Object.assign(replica, { server });
}

/** Takes connections and never says a word, as whatever is in a zone that was cut off. */
async function startSilent(t: TestContext): Promise<Pick<Replica, 'server'>> {
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listener.close();
  });
  const { port } = listener.address() as AddressInfo;
  return { server: { address: `127.0.0.1:${port}` } as RpcServer };
}

function connect(t: TestContext, replicas: readonly Pick<Replica, 'server'>[], options: Partial<ChannelOptions>) {
  const channel = new Channel({ address: replicas.map(({ server }) => server.address).join(','), ...options });
  t.after(() => channel[Symbol.dispose]());
  return channel.client(PreKeyService);
}

test('calls of services take turns over the replicas', async (t) => {
  const replicas = [await startReplica(t), await startReplica(t)];
  const client = connect(t, replicas, { balance: 'spread' });
  for (let call = 0; call < 10; call += 1) await client.claim({});
  assert.deepEqual(
    replicas.map(({ calls }) => calls),
    [5, 5],
  );
});

test('a caller from outside stays at one replica until that is gone', async (t) => {
  const replicas = [await startReplica(t), await startReplica(t)];
  const client = connect(t, replicas, {});
  for (let call = 0; call < 4; call += 1) await client.claim({});
  const [used, other] = replicas.toSorted((a, b) => b.calls - a.calls);
  assert.deepEqual([used?.calls, other?.calls], [4, 0]);
  await used?.server.close(0);
  // Perhaps the first one was on its way when the connection ended; it must not be made twice.
  await client.claim({}).catch(() => undefined);
  await client.claim({});
  assert.ok((other?.calls ?? 0) > 0);
});

test('a replica that never answered is passed over without an error', async (t) => {
  const replica = await startReplica(t);
  const gone = await startReplica(t);
  await gone.server.close(0);
  for (let channel = 0; channel < 4; channel += 1) await connect(t, [gone, replica], {}).claim({});
  assert.equal(replica.calls, 4);
});

test('an idempotent call is made at another replica when one is stopping', async (t) => {
  const stopping = await startReplica(t, new ChappeError('notReady', 'it is stopping'));
  const replica = await startReplica(t);
  for (let channel = 0; channel < 4; channel += 1) {
    await connect(t, [stopping, replica], { balance: 'spread', repeated: [PreKeyService] }).claim({});
  }
  assert.equal(replica.calls, 4);
});

test('a call that may have happened is not repeated unless its service says so', async (t) => {
  const replicas = [
    await startReplica(t, new ChappeError('notReady', 'it is stopping')),
    await startReplica(t, new ChappeError('notReady', 'it is stopping')),
  ];
  await assert.rejects(connect(t, replicas, { balance: 'spread' }).claim({}), /it is stopping/);
  assert.equal(
    replicas.reduce((sum, { calls }) => sum + calls, 0),
    1,
  );
});

test('a refusal of another kind is not tried elsewhere', async (t) => {
  const replicas = [
    await startReplica(t, new ChappeError('parameterInvalid', 'no')),
    await startReplica(t, new ChappeError('parameterInvalid', 'no')),
  ];
  await assert.rejects(connect(t, replicas, { balance: 'spread', repeated: [PreKeyService] }).claim({}), /no/);
  assert.equal(
    replicas.reduce((sum, { calls }) => sum + calls, 0),
    1,
  );
});

test('a replica that says it does not serve gets no calls', async (t) => {
  const replicas = [await startReplica(t), await startReplica(t)];
  const client = connect(t, replicas, { balance: 'spread' });
  const [away, other] = replicas;
  away?.server.setServing(false);
  for (let inARow = 0; inARow < 10;) {
    const before = away?.calls;
    await client.claim({});
    inARow = away?.calls === before ? inARow + 1 : 0;
    if (inARow < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok((other?.calls ?? 0) >= 10);
});

test('a replica that is silent is passed over without an error', async (t) => {
  const replica = await startReplica(t);
  const silent = await startSilent(t);
  await Promise.all(Array.from({ length: 6 }, () => connect(t, [silent, replica], {}).claim({})));
  assert.equal(replica.calls, 6);
});

test('one that answers that it does not serve is asked before one that does not answer', async (t) => {
  const replica = await startReplica(t);
  replica.server.setServing(false);
  const silent = await startSilent(t);
  const client = connect(t, [silent, replica], { balance: 'spread' });
  // Until both were asked for their health.
  await pause(healthIntervalMs + 2 * healthDeadlineMs);
  for (let call = 0; call < 10; call += 1) await client.claim({}, { deadlineMs: 500 });
  assert.equal(replica.calls, 10);
});

test('an address is needed', () => {
  assert.throws(() => new Channel({ address: ' , ' }), /host:port/);
});
