/** A crypto process of its own. Standalone starts the same `startCrypto` in one process with the others. */
import { openStore } from '@chappe/drivers/store-driver';
import { readPeerTls } from '@chappe/drivers/tls-files';
import { runService } from '@chappe/service-process/run-service';
import { readConfig } from './config.ts';
import { startCrypto } from './crypto-service.ts';
import { openOrCreateKeyFile } from './first-start.ts';

await runService({
  service: 'crypto',
  readConfig,
  start: async (config, { opened, telemetry }) => {
    const store = opened.use(await openStore(config));
    const keyEncryptionKeys = await openOrCreateKeyFile(config.CHAPPE_CRYPTO_KEYS, store);
    const server = await startCrypto({
      address: config.CHAPPE_CRYPTO_ADDRESS,
      store,
      keyEncryptionKeys,
      telemetry,
      ...readPeerTls(config),
    });
    return { ...server, notReady: () => ({}) };
  },
});
