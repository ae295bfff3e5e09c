/** The gateway: everything that enterprises call, behind one gRPC server, and what feeds it. */
import type { Coordination } from '@chappe/coordination/coordination';
import { startEventConsumer } from '@chappe/event-consumer/event-consumer';
import type { Log } from '@chappe/log/log';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { LedgerService } from '@chappe/proto/internal/ledger_service';
import { CommandAppender } from '@chappe/ranges/command-appender';
import { watchPriceBooks } from '@chappe/rating/price-book-watcher';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { Channel } from '@chappe/rpc/client';
import { startServer } from '@chappe/rpc/server';
import type { PeerTls } from '@chappe/rpc/tls';
import { migrate } from '@chappe/store/migrate';
import type { Store } from '@chappe/store/store';
import { rpcFailures, rpcMetrics } from '@chappe/telemetry/rpc-metrics';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import type { ServerCredentials } from '@grpc/grpc-js';
import { billingService } from './billing-service.ts';
import { businessService } from './business-service.ts';
import { Callers } from './callers.ts';
import { clusterService } from './cluster-service.ts';
import { Commands } from './commands.ts';
import { contactService } from './contact-service.ts';
import { DataKeys } from './data-keys.ts';
import { EventFeed } from './event-feed.ts';
import { eventService } from './event-service.ts';
import { writeEvents } from './event-table.ts';
import { gatewayEvents } from './events.ts';
import { eventsGatherMs, rateBucketsMax, retentionEveryMs, stopGraceMs } from './limits.ts';
import { messageService } from './message-service.ts';

import { Readiness } from './readiness.ts';
import { expireRows } from './retention.ts';
import { SendBatcher } from './send-batcher.ts';
import { Shards } from './shards.ts';
import { templateService } from './template-service.ts';
import { Templates } from './templates.ts';
import { TokenBuckets, type RateLimit } from './token-bucket.ts';

export interface GatewayDependencies {
  /** `host:port` (port 0: any free one) or `unix:/path`. */
  readonly address: string;
  readonly coordination: Coordination;
  readonly log: Log;
  readonly store: Store;
  readonly telemetry: Telemetry;
  /** As the other: an address, or several with commas between. */
  readonly cryptoAddress: string;
  readonly billingAddress: string;
  /** Made anew with every start of the process. */
  readonly instance: string;
  /** How many event topics there are; the same everywhere and for ever. */
  readonly eventBuckets: number;
  readonly adminKey: string;
  /** Absent: 5,000 messages a second for each business, 10,000 at once. */
  readonly rateLimit?: RateLimit;
  /** Ids of the businesses that metrics count by themselves. Absent: none. */
  readonly countedBusinesses?: readonly string[];
  readonly credentials?: ServerCredentials;
  /** Absent: no TLS between the services. */
  readonly peers?: PeerTls;
  /** Milliseconds since 1970. Absent: the system's clock. */
  readonly now?: () => number;
}

export interface Gateway extends AsyncDisposable {
  /** With the real port. */
  readonly address: string;
  /** Why it is not ready, by part; empty: ready. */
  notReady(): Readonly<Record<string, string>>;
}

const defaultRateLimit: RateLimit = { perSecond: 5_000, burst: 10_000 };

/** @throws ChappeError `notReady` if the address is taken; StoreError */
export async function startGateway(dependencies: GatewayDependencies): Promise<Gateway> {
  const { coordination, log, store, telemetry, now = Date.now } = dependencies;
  await using resources = new AsyncDisposableStack();
  await migrate(store, { service: 'gateway', directory: new URL('../migrations', import.meta.url) });
  const events = gatewayEvents(telemetry, dependencies.countedBusinesses ?? []);
  const stopping = new AbortController();

  const cryptoChannel = resources.use(
    new Channel({
      address: dependencies.cryptoAddress,
      balance: 'spread',
      repeated: [CryptoService],
      onFailed: rpcFailures(telemetry.metrics),
      credentials: dependencies.peers?.channel,
    }),
  );
  const billingChannel = resources.use(
    new Channel({
      address: dependencies.billingAddress,
      balance: 'spread',
      repeated: [LedgerService],
      onFailed: rpcFailures(telemetry.metrics),
      credentials: dependencies.peers?.channel,
    }),
  );
  const crypto = cryptoChannel.client(CryptoService);
  const table = resources.use(await watchRoutingTable(coordination));
  const appender = resources.use(new CommandAppender({ log, table, onHeld: (range, ms) => events.held(range, ms) }));
  const commands = new Commands(appender);
  const shards = resources.use(new Shards(table, commands, dependencies.peers?.channel));
  const callers = new Callers(store, dependencies.adminKey);
  const templates = new Templates(store);
  const dataKeys = new DataKeys(crypto, now);
  const batcher = resources.use(
    new SendBatcher({ store, appender, events, findDataKey: (business, day) => dataKeys.find(business, day), now }),
  );
  const prices = resources.use(await watchPriceBooks(coordination));
  const rates = new TokenBuckets(dependencies.rateLimit ?? defaultRateLimit, rateBucketsMax);
  const feed = new EventFeed();

  const consumer = resources.use(
    startEventConsumer({
      name: 'gateway',
      buckets: dependencies.eventBuckets,
      instance: dependencies.instance,
      coordination,
      log,
      store,
      logger: telemetry.log,
      handle: writeEvents,
      committed: (written) => {
        for (const stored of written.values()) events.eventsStored(stored.map(({ event }) => event));
        feed.committed(written);
      },
      gatherMs: eventsGatherMs,
    }),
  );
  events.reading(
    () => consumer.lag(),
    () => Math.max(0, now() - (consumer.oldestAppendTimeMs() ?? now())),
  );
  resources.use(expireNowAndThen(store, now, events));

  const server = await startServer({
    address: dependencies.address,
    credentials: dependencies.credentials,
    onHandled: rpcMetrics(telemetry.metrics),
    onUnexpected: (error, method) => events.unexpected(error, method),
    implementations: [
      messageService({
        callers,
        templates,
        dataKeys,
        batcher,
        prices,
        rates,
        events,
        store,
        feed,
        commands,
        now,
        stopping: stopping.signal,
      }),
      eventService({ callers, store, feed, dataKeys, events, stopping: stopping.signal }),
      contactService({ callers, commands, shards, events, now }),
      templateService({ callers, templates, now }),
      billingService({ callers, shards, prices, ledger: billingChannel.client(LedgerService), now }),
      businessService({ callers, crypto, coordination, store, now }),
      clusterService({ callers, table, appender, log, coordination, now }),
    ],
  });
  // First of all at the stop: no new calls, streams end, what runs is answered.
  resources.defer(async () => {
    stopping.abort();
    await server.close(stopGraceMs);
  });
  const readiness = resources.use(
    new Readiness({
      cryptoChannel,
      crypto,
      coordination,
      table,
      appender,
      log,
      store,
      prices,
      eventProblem: () => consumer.problem(),
      onChange: (isReady) => server.setServing(isReady),
    }),
  );

  const owned = resources.move();
  return {
    address: server.address,
    notReady: () => readiness.problems(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function expireNowAndThen(store: Store, now: () => number, events: ReturnType<typeof gatewayEvents>): AsyncDisposable {
  let running: Promise<void> | undefined;
  const expire = async (): Promise<void> => {
    try {
      await expireRows(store, now(), events);
    } catch (error) {
      events.unexpected(error, 'retention');
    }
  };
  const timer = setInterval(() => {
    running ??= expire().finally(() => (running = undefined));
  }, retentionEveryMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}
