/** A coordinator process of its own. Standalone starts the same `startCoordinator` with the others. */
import { openCoordination } from '@chappe/drivers/coordination-driver';
import { openLog } from '@chappe/drivers/log-driver';
import { runService } from '@chappe/service-process/run-service';
import { readConfig } from './config.ts';
import { startCoordinator } from './coordinator.ts';

await runService({
  service: 'coordinator',
  readConfig,
  start: async (config, { opened, ...own }) =>
    startCoordinator({
      ...own,
      coordination: opened.use(await openCoordination(config)),
      log: opened.use(await openLog(config, 'chappe-coordinator')),
      initialBounds: config.CHAPPE_INITIAL_BOUNDS.split(',').filter((bound) => bound !== ''),
      eventBuckets: config.CHAPPE_EVENT_BUCKETS,
      storeId: config.CHAPPE_STORE_ID,
    }),
});
