/** A gateway process of its own. Standalone starts the same `startGateway` in one process with the others. */
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readConfig } from './config.ts';
import { startGateway } from './gateway.ts';

const config = readConfig(process.env);
const telemetry = openTelemetry({ service: 'gateway', level: config.CHAPPE_LOG_LEVEL });
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

await using store = await openSqliteStore({ path: config.CHAPPE_GATEWAY_STORE });
await using log = await openSqliteLog({ path: config.CHAPPE_LOG_PATH });
await using coordination = await openEmbeddedCoordination({ path: config.CHAPPE_COORDINATION_PATH });
await using gateway = await startGateway({
  coordination,
  log,
  store,
  telemetry,
  instance: randomUUID(),
  address: config.CHAPPE_GATEWAY_ADDRESS,
  cryptoAddress: config.CHAPPE_CRYPTO_ADDRESS,
  billingAddress: config.CHAPPE_BILLING_ADDRESS,
  eventBuckets: config.CHAPPE_EVENT_BUCKETS,
  adminKey: config.CHAPPE_ADMIN_KEY,
  rateLimit: { perSecond: config.CHAPPE_RATE_PER_SECOND, burst: config.CHAPPE_RATE_BURST },
});
await using admin = await startAdminServer({
  host: config.CHAPPE_ADMIN_HOST,
  port: config.CHAPPE_ADMIN_PORT,
  metrics: () => telemetry.metrics.metrics(),
  notReady: () => gateway.notReady(),
});
telemetry.log.info({ address: gateway.address, adminPort: admin.port }, 'the gateway is up');
await stopped;
