/**
 * Billing: publishes the price books, books events into the ledger, and answers for it.
 *
 * Replicas share the event buckets by lease; the row of each bucket is the fence, and effects and
 * offset are one transaction, so a message is charged once whatever repeats or fails.
 */
import type { Coordination } from '@chappe/coordination/coordination';
import { startEventConsumer } from '@chappe/event-consumer/event-consumer';
import type { Log } from '@chappe/log/log';
import type { PriceBooks } from '@chappe/rating/price-book';
import { publishPriceBooks } from '@chappe/rating/publish';
import { startServer } from '@chappe/rpc/server';
import type { PeerTls } from '@chappe/rpc/tls';
import { migrate } from '@chappe/store/migrate';
import type { Store } from '@chappe/store/store';
import { rpcMetrics } from '@chappe/telemetry/rpc-metrics';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import { bookEvents } from './book-events.ts';
import { billingEvents } from './events.ts';
import { ledgerService } from './ledger-service.ts';
import { gatherMs } from './limits.ts';
import { startPurging } from './purge.ts';

export interface BillingDependencies {
  /** `host:port` (port 0: any free one) or `unix:/path`. */
  readonly address: string;
  readonly coordination: Coordination;
  readonly log: Log;
  readonly store: Store;
  readonly telemetry: Telemetry;
  /** In one currency; published when billing starts. */
  readonly priceBooks: PriceBooks;
  /** Made anew with every start of the process. */
  readonly instance: string;
  /** How many event buckets there are; the same everywhere and for ever. */
  readonly eventBuckets: number;
  /** Absent: no TLS between the services. */
  readonly peers?: PeerTls;
  /** Milliseconds since 1970. Absent: the system's clock. */
  readonly now?: () => number;
}

export interface Billing extends AsyncDisposable {
  /** With the real port. */
  readonly address: string;
  /** Why it is not ready, by part; empty: ready. */
  notReady(): Record<string, string>;
}

/**
 * @throws ChappeError `notReady` if the address is taken, `alreadyExists` if a published price
 *   book was changed
 */
export async function startBilling(dependencies: BillingDependencies): Promise<Billing> {
  const { coordination, log, store, telemetry, priceBooks, instance, eventBuckets, now = Date.now } = dependencies;
  const directory = new URL('../migrations', import.meta.url);
  await migrate(store, { service: 'billing', directory });
  await publishPriceBooks(coordination, priceBooks);

  const events = billingEvents(telemetry);
  const server = await startServer({
    address: dependencies.address,
    implementations: [ledgerService({ store, currency: priceBooks.currency })],
    onHandled: rpcMetrics(telemetry.metrics),
    onUnexpected: (error, method) => events.unexpected(error, method),
    credentials: dependencies.peers?.server,
  });
  const consumer = startEventConsumer({
    name: 'billing',
    buckets: eventBuckets,
    instance,
    coordination,
    log,
    store,
    logger: telemetry.log,
    gatherMs,
    handle: bookEvents,
    committed: (effects) => events.booked(effects),
  });
  events.reading(
    () => consumer.lag(),
    () => Math.max(0, now() - (consumer.oldestAppendTimeMs() ?? now())),
  );
  const purging = startPurging(store, events, now);
  server.setServing(true);

  return {
    address: server.address,
    notReady: (): Record<string, string> => {
      const problem = consumer.problem();
      return problem === undefined ? {} : { events: problem };
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      await consumer[Symbol.asyncDispose]();
      await purging[Symbol.asyncDispose]();
    },
  };
}
