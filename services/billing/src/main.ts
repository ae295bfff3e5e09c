/** A billing process of its own. Standalone starts the same `startBilling` in one process with the others. */
import { openCoordination } from '@chappe/drivers/coordination-driver';
import { openLog } from '@chappe/drivers/log-driver';
import { openStore } from '@chappe/drivers/store-driver';
import { readPeerTls } from '@chappe/drivers/tls-files';
import { readPriceBooks } from '@chappe/rating/publish';
import { runService } from '@chappe/service-process/run-service';
import { startBilling } from './billing.ts';
import { readConfig } from './config.ts';

await runService({
  service: 'billing',
  readConfig,
  start: async (config, { opened, ...own }) =>
    startBilling({
      ...own,
      address: config.CHAPPE_BILLING_ADDRESS,
      coordination: opened.use(await openCoordination(config)),
      log: opened.use(await openLog(config, 'chappe-billing')),
      store: opened.use(await openStore(config)),
      priceBooks: await readPriceBooks(config.CHAPPE_PRICE_BOOKS),
      eventBuckets: config.CHAPPE_EVENT_BUCKETS,
      ...readPeerTls(config),
    }),
});
