/** The sender service: one shard and the gRPC server through which relays and gateways reach it. */
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Log } from '@chappe/log/log';
import { phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { SenderService } from '@chappe/proto/internal/sender_service';
import { watchStores, type OpenStore } from '@chappe/ranges/stores';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { watchPriceBooks } from '@chappe/rating/price-book-watcher';
import { Channel } from '@chappe/rpc/client';
import { implement, startServer } from '@chappe/rpc/server';
import type { PeerTls } from '@chappe/rpc/tls';
import { migrate } from '@chappe/store/migrate';
import type { Store } from '@chappe/store/store';
import { rpcFailures, rpcMetrics } from '@chappe/telemetry/rpc-metrics';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { attach } from './attach.ts';
import { BacklogWatch } from './backlog-watch.ts';
import { contactAnswer } from './contact-answer.ts';
import { openSenderEvents } from './events.ts';
import { closeGraceMs, handOverMsMax, tickIntervalMs, usualCapacity } from './limits.ts';
import { Shard } from './shard.ts';

export interface SenderDependencies {
  readonly shardId: string;
  /** Made anew with every start of the process. */
  readonly instance: string;
  readonly zone: string;
  /** Commands a second that it can take. Absent: what a core does. */
  readonly capacity?: number;
  /** `host:port` (port 0: any free one) or `unix:/path`. */
  readonly address: string;
  /** Where others reach it, if not at `address`, e.g. when it listens on every interface. */
  readonly advertisedAddress?: string;
  /** An address, or several with commas between. */
  readonly cryptoAddress: string;
  /** Where relays serve PreKeyService: one, or several with commas between. */
  readonly preKeyAddress: string;
  readonly coordination: Coordination;
  readonly log: Log;
  /** Opens the stores that its ranges name. */
  readonly openStore: OpenStore;
  readonly telemetry: Telemetry;
  readonly eventBuckets: number;
  /** Absent: no TLS between the services. */
  readonly peers?: PeerTls;
  /** Milliseconds since 1970. Absent: the system's clock. */
  readonly now?: () => number;
  /** How long the shard waits at its end until others have its ranges. Absent: 5 s; 0: not at all. */
  readonly handOverMs?: number;
  /** How often due contacts are looked for. Absent: each minute. */
  readonly tickIntervalMs?: number;
}

export interface Sender extends AsyncDisposable {
  readonly address: string;
  notReady(): Record<string, string>;
}

/** Listens, registers the shard and takes the ranges that it is given. */
export async function startSender(dependencies: SenderDependencies): Promise<Sender> {
  const { shardId, instance, zone, coordination, log, telemetry, eventBuckets, now = Date.now } = dependencies;
  // What was started is ended in reverse order, also when a later step fails.
  await using resources = new AsyncDisposableStack();
  const stores = resources.use(await watchStores(coordination, dependencies.openStore, migrateSender));
  const table = resources.use(await watchRoutingTable(coordination));
  const crypto = resources.use(
    new Channel({
      address: dependencies.cryptoAddress,
      balance: 'spread',
      repeated: [CryptoService],
      onFailed: rpcFailures(telemetry.metrics),
      credentials: dependencies.peers?.channel,
    }),
  );
  const preKeys = resources.use(
    new Channel({
      address: dependencies.preKeyAddress,
      balance: 'spread',
      repeated: [PreKeyService],
      onFailed: rpcFailures(telemetry.metrics),
      credentials: dependencies.peers?.channel,
    }),
  );
  const prices = resources.use(await watchPriceBooks(coordination));
  // Without any it does not start.
  prices.books();
  // Assigned below, before anything can ask: the server's address is part of what a shard says.
  const running: { shard?: Shard; backlog?: BacklogWatch } = {};
  const shardNow = (): Shard => {
    if (running.shard === undefined) throw new ChappeError('notReady', 'the shard is starting');
    return running.shard;
  };

  const server = await startServer({
    address: dependencies.address,
    credentials: dependencies.peers?.server,
    onHandled: rpcMetrics(telemetry.metrics),
    onUnexpected: (error, method) => telemetry.log.error({ err: error, method }, 'unexpected fault'),
    implementations: [
      implement(SenderService, {
        attach: (stream) => attach(shardNow(), stream),
        getContact: async ({ contact, business, minOffset, range }, { signal }) => {
          const number = phoneNumberFromDigits(contact);
          const worker = shardNow().workerOf(number);
          // While a new range only fills, the one that it replaces does not know what was appended there.
          if (worker === undefined || (minOffset > 0n && worker.range.id !== range))
            throw new ChappeError('notOwner', 'this shard does not hold the range of the contact');
          await worker.reached(number, Number(minOffset), signal);
          // It ended meanwhile: the next owner has what the caller wrote, or will have.
          if (!worker.hasDone(number, Number(minOffset)))
            throw new ChappeError('notOwner', 'this shard gave the range of the contact away');
          return contactAnswer(await worker.contact(number), business, now());
        },
      }),
    ],
  });

  resources.defer(() => server.close(closeGraceMs));
  const events = openSenderEvents(shardId, telemetry.log, telemetry.metrics, {
    ranges: () => running.shard?.workers.size ?? 0,
    attachedDevices: () => running.shard?.attachedDevices ?? 0,
    stuckRanges: () => running.shard?.stuckRanges ?? 0,
    stoppedRanges: (cause) => running.shard?.stoppedRanges(cause) ?? 0,
    oldestAppendTimeMs: () => running.shard?.oldestAppendTimeMs,
    lagCommands: () => running.backlog?.lagCommands,
    readAheadCommands: () => running.shard?.readAheadCommands ?? 0,
    businessesAboveShare: () => running.shard?.businessesAboveShare ?? 0,
    heldCommands: () => running.backlog?.heldCommands,
    now,
  });
  const shard = new Shard({
    id: shardId,
    instance,
    zone,
    capacity: dependencies.capacity ?? usualCapacity,
    address: dependencies.advertisedAddress ?? server.address,
    coordination,
    table,
    stores,
    tickIntervalMs: dependencies.tickIntervalMs ?? tickIntervalMs,
    handOverMs: dependencies.handOverMs ?? handOverMsMax,
    endOf: (rangeId) => running.backlog?.endOf(rangeId),
    worker: {
      log,
      crypto: crypto.client(CryptoService),
      preKeys: preKeys.client(PreKeyService),
      books: () => prices.books(),
      events,
      logger: telemetry.log,
      eventBuckets,
      now,
    },
  });
  running.shard = shard;
  shard.start();
  resources.use(shard);
  running.backlog = resources.use(new BacklogWatch({ log, stores, workers: () => shard.workers }));
  server.setServing(true);

  const owned = resources.move();
  return {
    address: server.address,
    notReady: () => {
      const [tableProblem, priceProblem] = [table.problem(), prices.problem()];
      return {
        ...shard.notReady(),
        ...(tableProblem === undefined ? {} : { 'routing table': tableProblem }),
        ...(priceProblem === undefined ? {} : { prices: priceProblem }),
      };
    },
    [Symbol.asyncDispose]: () => {
      server.setServing(false);
      return owned.disposeAsync();
    },
  };
}

/** The tables of a store of ranges. */
async function migrateSender(store: Store): Promise<void> {
  await migrate(store, { service: 'sender', directory: new URL('../migrations', import.meta.url) });
}
