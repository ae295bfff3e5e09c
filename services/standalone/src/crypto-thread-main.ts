/** The crypto service's thread in a standalone node; crypto-thread.ts starts it. */
import { parentPort, workerData } from 'node:worker_threads';
import { startCrypto } from '@chappe/crypto/crypto-service';
import { openOrCreateKeyFile } from '@chappe/crypto/first-start';
import { toChappeError } from '@chappe/errors/chappe-error';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import type { CryptoThreadMessage, CryptoThreadOptions, CryptoThreadRequest } from './crypto-thread.ts';

if (parentPort === null) throw new Error('this is a thread of the standalone node, not a program');
const port = parentPort;
const { address, storePath, keyEncryptionKeysPath, logLevel } = workerData as CryptoThreadOptions;
const say = (message: CryptoThreadMessage): void => port.postMessage(message);
const telemetry = openTelemetry({ service: 'crypto', level: logLevel });

try {
  await using store = await openSqliteStore({ path: storePath });
  const keyEncryptionKeys = await openOrCreateKeyFile(keyEncryptionKeysPath, store);
  await using server = await startCrypto({ address, store, keyEncryptionKeys, telemetry });
  telemetry.log.info({ address: server.address }, 'crypto is ready');
  say({ kind: 'ready' });
  await new Promise<void>((resolve) => {
    port.on('message', (request: CryptoThreadRequest) => {
      if (request === 'stop') resolve();
      else void telemetry.metrics.getMetricsAsJSON().then((metrics) => say({ kind: 'metrics', metrics }));
    });
  });
} catch (error) {
  const { reason, message } = toChappeError(error);
  if (reason === 'internal') telemetry.log.error({ err: error }, 'crypto could not start');
  say({ kind: 'failed', reason, detail: message });
}
port.close();
