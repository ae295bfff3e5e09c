/** A relay process of its own. Standalone starts the same `startRelay` in one process with the others. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { codeSenderOf, credentialsOf, readConfig } from './config.ts';
import { startRelay } from './relay.ts';

const config = readConfig(process.env);
const { CHAPPE_ADMIN_HOST: host, CHAPPE_ADMIN_PORT: port } = config;
const telemetry = openTelemetry({ service: 'relay', level: config.CHAPPE_LOG_LEVEL });
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

await using coordination = await openEmbeddedCoordination({ path: config.CHAPPE_COORDINATION_PATH });
await using log = await openSqliteLog({ path: config.CHAPPE_LOG_PATH });
await using store = await openSqliteStore({ path: config.CHAPPE_RELAY_STORE });
await using relay = await startRelay({
  deviceAddress: config.CHAPPE_RELAY_DEVICE_ADDRESS,
  internalAddress: config.CHAPPE_RELAY_INTERNAL_ADDRESS,
  cryptoAddress: config.CHAPPE_CRYPTO_ADDRESS,
  coordination,
  log,
  store,
  telemetry,
  instance: randomUUID(),
  codes: codeSenderOf(config),
  ...credentialsOf(config),
});
const notReady = () => relay.notReady();
await using admin = await startAdminServer({ host, port, metrics: () => telemetry.metrics.metrics(), notReady });
telemetry.log.info({ address: relay.deviceAddress, adminPort: admin.port }, 'relay is ready');
await stopped;
