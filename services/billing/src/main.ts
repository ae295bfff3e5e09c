/** A billing process of its own. Standalone starts the same `startBilling` in one process with the others. */
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { readPriceBooks } from '@chappe/rating/publish';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { startBilling } from './billing.ts';
import { readConfig } from './config.ts';

const config = readConfig(process.env);
const telemetry = openTelemetry({ service: 'billing', level: config.CHAPPE_LOG_LEVEL });
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

const priceBooks = await readPriceBooks(config.CHAPPE_PRICE_BOOKS);
await using store = await openSqliteStore({ path: join(config.CHAPPE_DATA, 'billing.sqlite') });
await using log = await openSqliteLog({ path: join(config.CHAPPE_DATA, 'log.sqlite') });
await using coordination = await openEmbeddedCoordination({ path: join(config.CHAPPE_DATA, 'coordination.sqlite') });
await using billing = await startBilling({
  address: config.CHAPPE_BILLING_ADDRESS,
  coordination,
  log,
  store,
  telemetry,
  priceBooks,
  instance: randomUUID(),
  eventBuckets: config.CHAPPE_EVENT_BUCKETS,
});
await using admin = await startAdminServer({
  host: config.CHAPPE_ADMIN_HOST,
  port: config.CHAPPE_ADMIN_PORT,
  metrics: () => telemetry.metrics.metrics(),
  notReady: () => billing.notReady(),
});
telemetry.log.info({ event: 'ready', address: billing.address, adminPort: admin.port });
await stopped;
