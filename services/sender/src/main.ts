/** A sender process of its own. Standalone starts the same `startSender` in one process with the others. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { readConfig } from './config.ts';
import { startSender } from './sender.ts';

const config = readConfig(process.env);
const telemetry = openTelemetry({ service: 'sender', level: config.CHAPPE_LOG_LEVEL });
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

await using coordination = await openEmbeddedCoordination({ path: config.CHAPPE_COORDINATION_PATH });
await using log = await openSqliteLog({ path: config.CHAPPE_LOG_PATH });
await using store = await openSqliteStore({ path: config.CHAPPE_SENDER_STORE });
await using sender = await startSender({
  shardId: config.CHAPPE_SHARD_ID,
  instance: randomUUID(),
  zone: config.CHAPPE_ZONE,
  address: config.CHAPPE_SENDER_ADDRESS,
  cryptoAddress: config.CHAPPE_CRYPTO_ADDRESS,
  preKeyAddress: config.CHAPPE_PRE_KEY_ADDRESS,
  eventBuckets: config.CHAPPE_EVENT_BUCKETS,
  coordination,
  log,
  store,
  telemetry,
});
const { CHAPPE_ADMIN_HOST: host, CHAPPE_ADMIN_PORT: port } = config;
const metrics = (): Promise<string> => telemetry.metrics.metrics();
await using admin = await startAdminServer({ host, port, metrics, notReady: () => sender.notReady() });
telemetry.log.info({ address: sender.address, adminPort: admin.port }, 'sender is ready');
await stopped;
