/** A coordinator process of its own. Standalone starts the same `startCoordinator` with the others. */
import { openCoordination } from '@chappe/drivers/coordination-driver';
import { openLog } from '@chappe/drivers/log-driver';
import { storeAddressOf, storeOpener } from '@chappe/drivers/store-driver';
import { runService } from '@chappe/service-process/run-service';
import { placementOf, readConfig } from './config.ts';
import { startCoordinator } from './coordinator.ts';
import { openPlacement } from './placement.ts';

await runService({
  service: 'coordinator',
  readConfig,
  start: async (config, { opened, ...own }) => {
    const coordination = opened.use(await openCoordination(config));
    const log = opened.use(await openLog(config, 'chappe-coordinator'));
    const eventBuckets = config.CHAPPE_EVENT_BUCKETS;
    return startCoordinator({
      ...own,
      coordination,
      log,
      initialBounds: config.CHAPPE_INITIAL_BOUNDS.split(',').filter((bound) => bound !== ''),
      eventBuckets,
      firstStore: { id: config.CHAPPE_STORE_ID, address: storeAddressOf(config) },
      openStore: storeOpener(config),
      decisions: { isReshaping: config.CHAPPE_RESHAPE_BY_LOAD === 'true' },
      besides: openPlacement({ coordination, log, telemetry: own.telemetry, eventBuckets, ...placementOf(config) }),
    });
  },
});
