import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { ConfigError, readEnv } from '@chappe/config/read-env';
import { z } from 'zod';
import { coordinationVariables } from '../src/coordination-driver.ts';
import { logVariables, openLog } from '../src/log-driver.ts';
import { openStore, storeVariables } from '../src/store-driver.ts';
import { peerVariables, serverTlsVariables } from '../src/tls-files.ts';
import { withTopicPrefix } from '../src/topic-prefix.ts';

const schema = z.object({ ...logVariables, ...coordinationVariables, ...storeVariables('data/gateway.sqlite') });

test('without settings a service uses files', () => {
  const config = readEnv(schema, {});
  assert.deepEqual(config.CHAPPE_LOG, { kind: 'sqlite', path: 'data/log.sqlite' });
  assert.deepEqual(config.CHAPPE_COORDINATION, { kind: 'file', path: 'data/coordination.sqlite' });
  assert.deepEqual(config.CHAPPE_STORE, { kind: 'sqlite', path: 'data/gateway.sqlite' });
});

test('servers of a cluster are named by URLs', () => {
  const config = readEnv(schema, {
    CHAPPE_LOG: 'kafka://one:9092,[::1]:9093?replication=4&min-in-sync=3&prefix=chappe.',
    CHAPPE_COORDINATION: 'etcd://one:2379,two:2379?prefix=/chappe/eu&cluster=eu',
    CHAPPE_STORE: 'mysql://user:pass%40word@db:3307/chappe',
  });
  assert.deepEqual(config.CHAPPE_LOG, {
    kind: 'kafka',
    brokers: ['one:9092', '[::1]:9093'],
    replicationFactor: 4,
    minInSyncReplicas: 3,
    prefix: 'chappe.',
  });
  assert.deepEqual(config.CHAPPE_COORDINATION, {
    kind: 'etcd',
    endpoints: ['one:2379', 'two:2379'],
    prefix: '/chappe/eu',
    clusterId: 'eu',
  });
  assert.deepEqual(config.CHAPPE_STORE, {
    kind: 'mysql',
    server: { host: 'db', port: 3307, database: 'chappe', user: 'user', password: 'pass@word' },
  });
});

test('half of the replicas must have an append unless another number is given', () => {
  const config = readEnv(schema, { CHAPPE_LOG: 'kafka://one:9092?replication=3' });
  assert.equal(config.CHAPPE_LOG.kind === 'kafka' && config.CHAPPE_LOG.minInSyncReplicas, 2);
});

test('everything that is wrong is said at once, and no password with it', () => {
  const wrong = {
    CHAPPE_LOG: 'kafka://user:secret@one:9092',
    CHAPPE_COORDINATION: 'etcd://one:2379?prefx=/chappe',
    CHAPPE_STORE: 'postgres://user:secret@db/chappe',
  };
  assert.throws(
    () => readEnv(schema, wrong),
    ({ message }: Error) =>
      ['CHAPPE_LOG', 'CHAPPE_COORDINATION: prefx', 'CHAPPE_STORE'].every((part) => message.includes(part)) &&
      !message.includes('secret'),
  );
});

test('more replicas in sync than there are replicas is refused', () => {
  assert.throws(() => readEnv(schema, { CHAPPE_LOG: 'kafka://one:9092?replication=2&min-in-sync=3' }), /min-in-sync/);
});

test('a name without a password, and a certificate without its key, are refused when the configuration is read', () => {
  const own = z.object({ ...schema.shape, ...peerVariables, ...serverTlsVariables('CHAPPE_RELAY') });
  const half = {
    CHAPPE_LOG_USERNAME: 'chappe',
    CHAPPE_COORDINATION_PASSWORD: 'secret',
    CHAPPE_COORDINATION_TLS_AUTHORITY: 'pem',
    CHAPPE_STORE_TLS_KEY: 'pem',
    CHAPPE_PEER_TLS_AUTHORITY: 'pem',
    CHAPPE_RELAY_TLS_CERTIFICATE: 'pem',
  };
  assert.throws(
    () => readEnv(own, half),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.deepEqual(error.problems.toSorted(), [
        'CHAPPE_COORDINATION_USERNAME: it is needed with CHAPPE_COORDINATION_PASSWORD',
        'CHAPPE_LOG_PASSWORD: it is needed with CHAPPE_LOG_USERNAME',
        'CHAPPE_PEER_TLS_CERTIFICATE: it is needed with CHAPPE_PEER_TLS_AUTHORITY',
        'CHAPPE_RELAY_TLS_KEY: it is needed with CHAPPE_RELAY_TLS_CERTIFICATE',
        'CHAPPE_STORE_TLS_CERTIFICATE: it is needed with CHAPPE_STORE_TLS_KEY',
      ]);
      return true;
    },
  );
  const whole = { CHAPPE_STORE_PASSWORD: 'secret', CHAPPE_RELAY_TLS_CERTIFICATE: 'pem', CHAPPE_RELAY_TLS_KEY: 'pem' };
  assert.doesNotThrow(() => readEnv(own, whole));
});

test('a file of TLS that cannot be read is named before anything is opened', async () => {
  const config = readEnv(schema, {
    CHAPPE_STORE: 'mysql://user@127.0.0.1:1/chappe',
    CHAPPE_STORE_TLS_AUTHORITY: join(tmpdir(), 'chappe-none'),
  });
  await assert.rejects(openStore(config), /CHAPPE_STORE_TLS_AUTHORITY: cannot read/);
});

test('two clusters on one log do not see each other', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-drivers-'));
  t.after(() => rm(folder, { recursive: true }));
  await using log = await openLog(readEnv(schema, { CHAPPE_LOG: `sqlite:${folder}/log.sqlite` }), 'test');
  const [one, two] = [withTopicPrefix(log, 'one.'), withTopicPrefix(log, 'two.')];
  await one.createTopic('range-r1');
  const record = { key: '', headers: { kind: 'send', id: 'm1', version: 1 }, value: new Uint8Array([1]) };
  const [result] = await one.append([{ topic: 'range-r1', records: [record] }]);
  assert.equal(result?.kind, 'appended');
  assert.equal((await one.readAt('range-r1', 0, 10)).length, 1);
  await assert.rejects(two.end('range-r1'), { kind: 'no_topic' });
});
