/** A gateway process of its own. Standalone starts the same `startGateway` in one process with the others. */
import { openCoordination } from '@chappe/drivers/coordination-driver';
import { openLog } from '@chappe/drivers/log-driver';
import { openStore } from '@chappe/drivers/store-driver';
import { readPeerTls, readServerTls } from '@chappe/drivers/tls-files';
import { runService } from '@chappe/service-process/run-service';
import { readConfig } from './config.ts';
import { startGateway } from './gateway.ts';

await runService({
  service: 'gateway',
  readConfig,
  start: async (config, { opened, ...own }) =>
    startGateway({
      ...own,
      coordination: opened.use(await openCoordination(config)),
      log: opened.use(await openLog(config, 'chappe-gateway')),
      store: opened.use(await openStore(config)),
      address: config.CHAPPE_GATEWAY_ADDRESS,
      cryptoAddress: config.CHAPPE_CRYPTO_ADDRESS,
      billingAddress: config.CHAPPE_BILLING_ADDRESS,
      eventBuckets: config.CHAPPE_EVENT_BUCKETS,
      adminKey: config.CHAPPE_ADMIN_KEY,
      countedBusinesses: config.CHAPPE_COUNTED_BUSINESSES,
      ...readServerTls('CHAPPE_GATEWAY', config),
      ...readPeerTls(config),
      rateLimit: { perSecond: config.CHAPPE_RATE_PER_SECOND, burst: config.CHAPPE_RATE_BURST },
    }),
});
