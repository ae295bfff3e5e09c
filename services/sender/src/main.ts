/** A sender process of its own. Standalone starts the same `startSender` in one process with the others. */
import { openCoordination } from '@chappe/drivers/coordination-driver';
import { openLog } from '@chappe/drivers/log-driver';
import { storeOpener } from '@chappe/drivers/store-driver';
import { readPeerTls } from '@chappe/drivers/tls-files';
import { runService } from '@chappe/service-process/run-service';
import { readConfig } from './config.ts';
import { startSender } from './sender.ts';

await runService({
  service: 'sender',
  readConfig,
  start: async (config, { opened, ...own }) => {
    const { CHAPPE_SENDER_ADVERTISED_ADDRESS: advertisedAddress } = config;
    return startSender({
      ...own,
      coordination: opened.use(await openCoordination(config)),
      log: opened.use(await openLog(config, `chappe-sender-${config.CHAPPE_SHARD_ID}`)),
      openStore: storeOpener(config),
      shardId: config.CHAPPE_SHARD_ID,
      zone: config.CHAPPE_ZONE,
      capacity: config.CHAPPE_SHARD_CAPACITY,
      address: config.CHAPPE_SENDER_ADDRESS,
      ...(advertisedAddress === undefined ? {} : { advertisedAddress }),
      cryptoAddress: config.CHAPPE_CRYPTO_ADDRESS,
      preKeyAddress: config.CHAPPE_PRE_KEY_ADDRESS,
      eventBuckets: config.CHAPPE_EVENT_BUCKETS,
      ...readPeerTls(config),
    });
  },
});
