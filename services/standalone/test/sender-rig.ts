/**
 * A cluster in one process whose log, store and routing table a test holds in its hands: all
 * services are real, and shards are started and left to their fate one by one.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBilling } from '@chappe/billing/billing';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { openEmbeddedCoordination } from '@chappe/coordination/embedded-coordination';
import type { Coordination } from '@chappe/coordination/coordination';
import { startCoordinator, type CoordinatorDependencies } from '@chappe/coordinator/coordinator';
import { startCrypto } from '@chappe/crypto/crypto-service';
import { openOrCreateKeyFile } from '@chappe/crypto/first-start';
import { startGateway } from '@chappe/gateway/gateway';
import type { Log, LogRecord, NewRecord } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { parseRange, rangePrefix, type Range } from '@chappe/ranges/range';
import { readPriceBooks } from '@chappe/rating/publish';
import { fileCodeSender } from '@chappe/relay/code-sender';
import { startRelay } from '@chappe/relay/relay';
import { Channel } from '@chappe/rpc/client';
import { startSender, type Sender } from '@chappe/sender/sender';
import { borrowed } from '@chappe/store/borrowed-store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Row, Store } from '@chappe/store/store';
import { openTelemetry, type Telemetry } from '@chappe/telemetry/telemetry';

const eventBuckets = 2;
const adminKey = 'an-admin-key-for-the-tests-of-senders';

export interface RigPorts {
  readonly log: Log;
  readonly store: Store;
  readonly coordination: Coordination;
}

export class Rig implements AsyncDisposable {
  readonly log: Log;
  readonly store: Store;
  readonly coordination: Coordination;
  readonly admin: AdminClient;
  readonly devices: Channel;
  readonly registrationCodesFile: string;
  readonly #resources: AsyncDisposableStack;
  readonly #startSender: (shardId: string) => Promise<Sender>;
  readonly #gatewayAddress: string;

  private constructor(
    ports: RigPorts,
    ends: { admin: AdminClient; devices: Channel; gatewayAddress: string; registrationCodesFile: string },
    resources: AsyncDisposableStack,
    startOne: (shardId: string) => Promise<Sender>,
  ) {
    this.log = ports.log;
    this.store = ports.store;
    this.coordination = ports.coordination;
    this.admin = ends.admin;
    this.devices = ends.devices;
    this.registrationCodesFile = ends.registrationCodesFile;
    this.#gatewayAddress = ends.gatewayAddress;
    this.#resources = resources;
    this.#startSender = startOne;
  }

  /** Two ranges: r1 up to the numbers that begin with 4, r2 from there on. No shard runs yet. */
  static async start(decisions: CoordinatorDependencies['decisions'] = {}): Promise<Rig> {
    await using resources = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'chappe-rig-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    const unix = (name: string): string => `unix:${join(folder, `${name}.sock`)}`;
    const coordination = resources.use(await openEmbeddedCoordination({ path: join(folder, 'coordination.sqlite') }));
    const log = resources.use(await openSqliteLog({ path: join(folder, 'log.sqlite') }));
    const store = resources.use(await openSqliteStore({ path: join(folder, 'store.sqlite') }));
    const openStore = async (): Promise<Store> => borrowed(store);
    const ports = { coordination, log, store, openStore, instance: randomUUID(), eventBuckets };
    resources.use(
      startCoordinator({
        ...ports,
        telemetry: telemetry('coordinator'),
        initialBounds: ['4'],
        firstStore: { id: 'main', address: 'sqlite:store' },
        decisions,
      }),
    );
    const keyEncryptionKeys = await openOrCreateKeyFile(join(folder, 'keys'), store);
    const crypto = resources.use(
      await startCrypto({ store, keyEncryptionKeys, address: unix('crypto'), telemetry: telemetry('crypto') }),
    );
    const priceBooks = await readPriceBooks();
    const billing = resources.use(
      await startBilling({ ...ports, address: unix('billing'), telemetry: telemetry('billing'), priceBooks }),
    );
    const codes = join(folder, 'codes.jsonl');
    const relay = resources.use(
      await startRelay({
        ...ports,
        deviceAddress: unix('devices'),
        internalAddress: unix('relay'),
        cryptoAddress: crypto.address,
        telemetry: telemetry('relay'),
        codes: fileCodeSender({ path: codes }),
      }),
    );
    const gateway = resources.use(
      await startGateway({
        ...ports,
        address: unix('gateway'),
        cryptoAddress: crypto.address,
        billingAddress: billing.address,
        adminKey,
        rateLimit: { perSecond: 100_000, burst: 200_000 },
        telemetry: telemetry('gateway'),
      }),
    );
    const admin = resources.use(new AdminClient({ address: gateway.address, adminKey }));
    const devices = resources.use(new Channel({ address: relay.deviceAddress }));
    let started = 0;
    const startOne = (shardId: string): Promise<Sender> => {
      started += 1;
      return startSender({
        ...ports,
        instance: `${shardId}-${started}`,
        shardId,
        zone: 'local',
        address: unix(`${shardId}-${started}`),
        cryptoAddress: crypto.address,
        preKeyAddress: relay.internalAddress,
        telemetry: telemetry(shardId),
      });
    };
    const ends = { admin, devices, gatewayAddress: gateway.address, registrationCodesFile: codes };
    return new Rig(ports, ends, resources.move(), startOne);
  }

  /** Starts a shard, or another start of the same one: then it is given the ranges of the former. */
  async startShard(id: string, { waits = true } = {}): Promise<Sender> {
    const sender = this.#resources.use(await this.#startSender(id));
    if (waits) await until(() => Object.keys(sender.notReady()).length === 0);
    return sender;
  }

  async business(number: string): Promise<ChappeClient> {
    const { apiKey } = await this.admin.businesses.create({ name: `Business ${number}`, number, settings: {} });
    return new ChappeClient({ address: this.#gatewayAddress, apiKey });
  }

  async range(id: string): Promise<Range> {
    const entry = await this.coordination.get(rangePrefix + id);
    if (entry === undefined) throw new Error(`there is no range ${id}`);
    return parseRange(entry.value);
  }

  /** The fence row of a range. */
  async row(id: string): Promise<Row> {
    const [row] = await this.store.query('SELECT * FROM range_progress WHERE range_id = ?', [id]);
    return row ?? {};
  }

  async records(topic: string): Promise<LogRecord[]> {
    return this.log.readAt(topic, 0, 10_000);
  }

  async append(topic: string, records: readonly NewRecord[]): Promise<void> {
    const [result] = await this.log.append([{ topic, records }]);
    if (result?.kind !== 'appended') throw new Error('the log refused');
  }

  /** Resolves when a range's worker has done everything that is in its topic. */
  async done(id: string): Promise<void> {
    const { topic } = await this.range(id);
    const end = await this.log.end(topic);
    await until(async () => Number((await this.row(id))['next_offset']) >= end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources.disposeAsync();
  }
}

function telemetry(service: string): Telemetry {
  return openTelemetry({ service, level: process.env['CHAPPE_LOG_LEVEL'] ?? 'silent' });
}

/** Looks until it is so: nothing tells a test when a row changes. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await sleep(5);
}
