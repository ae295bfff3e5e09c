/** A relay process of its own. Standalone starts the same `startRelay` in one process with the others. */
import { openCoordination } from '@chappe/drivers/coordination-driver';
import { openLog } from '@chappe/drivers/log-driver';
import { openStore } from '@chappe/drivers/store-driver';
import { runService } from '@chappe/service-process/run-service';
import { readPeerTls, readServerTls } from '@chappe/drivers/tls-files';
import { codeSenderOf, readConfig } from './config.ts';
import { startRelay } from './relay.ts';

await runService({
  service: 'relay',
  readConfig,
  start: async (config, { opened, ...own }) => {
    const relay = await startRelay({
      ...own,
      coordination: opened.use(await openCoordination(config)),
      log: opened.use(await openLog(config, 'chappe-relay')),
      store: opened.use(await openStore(config)),
      deviceAddress: config.CHAPPE_RELAY_DEVICE_ADDRESS,
      internalAddress: config.CHAPPE_RELAY_INTERNAL_ADDRESS,
      cryptoAddress: config.CHAPPE_CRYPTO_ADDRESS,
      codes: codeSenderOf(config),
      ...readServerTls('CHAPPE_RELAY', config),
      ...readPeerTls(config),
    });
    return { ...relay, address: relay.deviceAddress };
  },
});
