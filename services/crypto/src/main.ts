/** A crypto process of its own. Standalone starts the same `startCrypto` in one process with the others. */
import { once } from 'node:events';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { startAdminServer } from '@chappe/telemetry/admin-server';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { readConfig } from './config.ts';
import { startCrypto } from './crypto-service.ts';
import { openOrCreateKeyFile } from './first-start.ts';

const config = readConfig(process.env);
const telemetry = openTelemetry({ service: 'crypto', level: config.CHAPPE_LOG_LEVEL });
const stopped = Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);

await using store = await openSqliteStore({ path: config.CHAPPE_CRYPTO_STORE });
const keyEncryptionKeys = await openOrCreateKeyFile(config.CHAPPE_CRYPTO_KEYS, store);
await using server = await startCrypto({ address: config.CHAPPE_CRYPTO_ADDRESS, store, keyEncryptionKeys, telemetry });
await using admin = await startAdminServer({
  host: config.CHAPPE_ADMIN_HOST,
  port: config.CHAPPE_ADMIN_PORT,
  metrics: () => telemetry.metrics.metrics(),
  notReady: () => ({}),
});
telemetry.log.info({ address: server.address, adminPort: admin.port }, 'crypto is ready');
await stopped;
