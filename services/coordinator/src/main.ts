/** A coordinator process of its own. Standalone starts the same `startCoordinator` with the others. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { readConfig } from './config.ts';
import { startCoordinator } from './coordinator.ts';

const config = readConfig(process.env);
const telemetry = openTelemetry({ service: 'coordinator', level: config.CHAPPE_LOG_LEVEL });
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

await using coordination = await openEmbeddedCoordination({ path: config.CHAPPE_COORDINATION_PATH });
await using log = await openSqliteLog({ path: config.CHAPPE_LOG_PATH });
await using coordinator = startCoordinator({
  instance: randomUUID(),
  coordination,
  log,
  telemetry,
  initialBounds: config.CHAPPE_INITIAL_BOUNDS.split(',').filter((bound) => bound !== ''),
  eventBuckets: config.CHAPPE_EVENT_BUCKETS,
  storeId: config.CHAPPE_STORE_ID,
});
const { CHAPPE_ADMIN_HOST: host, CHAPPE_ADMIN_PORT: port } = config;
const metrics = (): Promise<string> => telemetry.metrics.metrics();
await using admin = await startAdminServer({ host, port, metrics, notReady: () => coordinator.notReady() });
telemetry.log.info({ adminPort: admin.port }, 'coordinator is ready');
await stopped;
