/**
 * The standalone node: every service in one process, on embedded drivers, in one data folder.
 *
 * The services are the same as in a cluster and talk gRPC over sockets in the folder; only the
 * drivers behind their ports differ. They are started in the order in which they need each other
 * and ended in reverse.
 */
import { randomUUID } from 'node:crypto';
import { startBilling } from '@chappe/billing/billing';
import { openFolderBlobs } from '@chappe/blobs/folder-blobs';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import { startCoordinator, type CoordinatorDependencies } from '@chappe/coordinator/coordinator';
import { startCrypto } from '@chappe/crypto/crypto-service';
import { openOrCreateKeyFile } from '@chappe/crypto/first-start';
import { ChappeError } from '@chappe/errors/chappe-error';
import { startGateway } from '@chappe/gateway/gateway';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { readPriceBooks } from '@chappe/rating/publish';
import { fileCodeSender, type CodeSender } from '@chappe/relay/code-sender';
import { startRelay } from '@chappe/relay/relay';
import { startSender, type Sender } from '@chappe/sender/sender';
import { openDataFolder } from '@chappe/store/data-folder';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { storesIn } from './stores-in-folder.ts';
import { telemetryFor, type Telemetry } from '@chappe/telemetry/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import { AggregatorRegistry } from 'prom-client';
import { startCryptoThread, type CryptoThread } from './crypto-thread.ts';
import { dataFilesIn, openSocketFolder, readOrMakeAdminKey, type DataFiles } from './data-files.ts';
import { eventBuckets, readyMs } from './limits.ts';

export interface StandaloneOptions {
  readonly dataFolder: string;
  /** `host:port`; port 0: any free one. */
  readonly gatewayAddress: string;
  readonly deviceAddress: string;
  readonly initialBounds: readonly string[];
  readonly shards: number;
  readonly ratePerSecond: number;
  readonly telemetry: Telemetry;
  /** How one-time codes are sent. Absent: written to a file in the data folder. */
  readonly codes?: CodeSender;
  /** Milliseconds since 1970: the clock of the log's append times and of every service. Absent: the system's. */
  readonly now?: () => number;
  /** What the coordinator's decisions by load go by. Absent: as usual, without splits and merges. */
  readonly decisions?: CoordinatorDependencies['decisions'];
  /** How often due contacts are looked for. Absent: the sender's own interval. */
  readonly tickIntervalMs?: number;
}

export interface Standalone extends AsyncDisposable {
  /** With the real ports. */
  readonly gatewayAddress: string;
  readonly deviceAddress: string;
  readonly adminKey: string;
  /** JSON lines with the one-time codes that a provider would send by SMS. */
  readonly registrationCodesFile: string;
  notReady(): Record<string, string>;
  /** Of all threads, in the text form of Prometheus. */
  metrics(): Promise<string>;
}

/** Resolves when every service is ready. @throws ChappeError or StoreError saying what to do */
export async function startStandalone(options: StandaloneOptions): Promise<Standalone> {
  const { telemetry, tickIntervalMs } = options;
  const clock = options.now === undefined ? {} : { now: options.now };
  const of = (service: string): Telemetry => telemetryFor(telemetry, service);
  const instance = randomUUID();
  await using resources = new AsyncDisposableStack();

  const folder = resources.use(await openDataFolder(options.dataFolder));
  const files = dataFilesIn(folder.path);
  const adminKey = await readOrMakeAdminKey(files.adminKey);
  const sockets = resources.use(await openSocketFolder(folder.path));
  const coordination = resources.use(await openEmbeddedCoordination({ path: files.coordination }));
  const log = resources.use(await openSqliteLog({ path: files.log, ...clock }));
  const store = resources.use(await openSqliteStore({ path: files.store }));
  resources.use(await openFolderBlobs({ path: files.blobs }));
  const stores = resources.use(storesIn(folder.path, files.store, store));
  const ports = { coordination, log, store, instance, eventBuckets, openStore: stores.open, ...clock };

  const coordinator = resources.use(
    startCoordinator({
      ...ports,
      telemetry: of('coordinator'),
      initialBounds: options.initialBounds,
      firstStore: { id: 'main', address: stores.first },
      // The shards of one process share its processor: nothing is won by more ranges.
      decisions: { isReshaping: false, ...options.decisions },
    }),
  );
  const crypto = resources.use(await startCryptoOf(options, sockets.addressOf('crypto'), files));
  const billing = resources.use(
    await startBilling({
      ...ports,
      address: sockets.addressOf('billing'),
      telemetry: of('billing'),
      priceBooks: await readPriceBooks(),
    }),
  );
  const relay = resources.use(
    await startRelay({
      ...ports,
      deviceAddress: options.deviceAddress,
      internalAddress: sockets.addressOf('relay'),
      cryptoAddress: crypto.address,
      telemetry: of('relay'),
      codes: options.codes ?? fileCodeSender({ path: files.registrationCodes }),
    }),
  );
  const senders: Sender[] = [];
  for (let shard = 1; shard <= options.shards; shard += 1) {
    const sender = await startSender({
      ...ports,
      shardId: `s${shard}`,
      zone: 'local',
      address: sockets.addressOf(`s${shard}`),
      cryptoAddress: crypto.address,
      preKeyAddress: relay.internalAddress,
      telemetry: of('sender'),
      // The other shards of this process end with it.
      handOverMs: 0,
      ...(tickIntervalMs === undefined ? {} : { tickIntervalMs }),
    });
    senders.push(resources.use(sender));
  }
  const gateway = resources.use(
    await startGateway({
      ...ports,
      address: options.gatewayAddress,
      cryptoAddress: crypto.address,
      billingAddress: billing.address,
      adminKey,
      rateLimit: { perSecond: options.ratePerSecond, burst: 2 * options.ratePerSecond },
      telemetry: of('gateway'),
    }),
  );

  const notReady = (): Record<string, string> =>
    Object.assign({}, ...[coordinator, billing, relay, gateway, ...senders].map((part) => part.notReady()));
  await waitUntilReady(notReady);
  const owned = resources.move();
  return {
    gatewayAddress: gateway.address,
    deviceAddress: relay.deviceAddress,
    adminKey,
    registrationCodesFile: files.registrationCodes,
    notReady,
    metrics: async () =>
      AggregatorRegistry.aggregate([await telemetry.metrics.getMetricsAsJSON(), await crypto.metrics()]).metrics(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * In a thread of its own; with a clock that the caller holds, which cannot be handed to a thread,
 * in this one.
 */
async function startCryptoOf(options: StandaloneOptions, address: string, files: DataFiles): Promise<CryptoThread> {
  const { telemetry, now } = options;
  if (now === undefined) {
    const { cryptoStore: storePath, keyEncryptionKeys: keyEncryptionKeysPath } = files;
    return startCryptoThread({ address, storePath, keyEncryptionKeysPath, logLevel: telemetry.log.level });
  }
  await using resources = new AsyncDisposableStack();
  const store = resources.use(await openSqliteStore({ path: files.cryptoStore }));
  const keyEncryptionKeys = await openOrCreateKeyFile(files.keyEncryptionKeys, store);
  resources.use(
    await startCrypto({ now, store, keyEncryptionKeys, address, telemetry: telemetryFor(telemetry, 'crypto') }),
  );
  const owned = resources.move();
  return { address, metrics: () => Promise.resolve([]), [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function waitUntilReady(notReady: () => Record<string, string>): Promise<void> {
  const startedAt = performance.now();
  for (;;) {
    const problems = Object.entries(notReady());
    if (problems.length === 0) return;
    if (performance.now() - startedAt > readyMs) {
      const detail = problems.map(([part, problem]) => `${part}: ${problem}`).join('; ');
      throw new ChappeError('notReady', `not everything became ready within ${readyMs} ms: ${detail}`);
    }
    await sleep(10);
  }
}
