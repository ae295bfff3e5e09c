import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { describe, test } from 'node:test';
import { DatabaseStandIn, type ServerAddress } from './database-stand-in.ts';

interface Pair extends AsyncDisposable {
  readonly primary: Server;
  readonly replica: Server;
  /** What the stand-in did first. */
  readonly done: Promise<string>;
}

/** Two servers that take connections, and somebody who watches them. */
async function watchedPair(): Promise<Pair> {
  const [primary, replica] = [await listening(), await listening()];
  const addresses = { primary: addressOf(primary), replica: addressOf(replica) };
  const { promise: done, resolve } = Promise.withResolvers<string>();
  const act = (what: string) => async () => resolve(what);
  const standIn = new DatabaseStandIn({
    addresses: () => Promise.resolve(addresses),
    promote: act('promoted'),
    leaveAlone: act('left alone'),
  });
  standIn.start();
  return {
    primary,
    replica,
    done,
    [Symbol.asyncDispose]: async () => {
      await standIn[Symbol.asyncDispose]();
      for (const server of [primary, replica]) server.close();
    },
  };
}

async function listening(): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function addressOf(server: Server): ServerAddress {
  const { address: host, port } = server.address() as AddressInfo;
  return { host, port };
}

void describe('the stand-in for a managed database', { concurrency: true, timeout: 30_000 }, () => {
  void test('a replica is promoted when the primary is gone', async () => {
    await using pair = await watchedPair();
    pair.primary.close();
    assert.equal(await pair.done, 'promoted');
  });

  void test('a primary goes on alone when its replica is gone', async () => {
    await using pair = await watchedPair();
    pair.replica.close();
    assert.equal(await pair.done, 'left alone');
  });

  void test('nothing is done while neither is there, and the first to be back goes on', async () => {
    await using pair = await watchedPair();
    const { port } = addressOf(pair.replica);
    for (const server of [pair.primary, pair.replica]) server.close();
    const early = await Promise.race([
      pair.done,
      new Promise<string>((resolve) => setTimeout(resolve, 6_000, 'nothing')),
    ]);
    assert.equal(early, 'nothing');
    pair.replica.listen(port, '127.0.0.1');
    assert.equal(await pair.done, 'promoted');
  });
});
