/**
 * The relay: devices on one side, shards on the other.
 *
 * It owns device connections, registrations and the public prekeys that devices upload. It is
 * trusted for availability and receipts, not for content: nothing here can be read by it.
 */
import { fileURLToPath } from 'node:url';
import type { Coordination } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Log } from '@chappe/log/log';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { SenderService } from '@chappe/proto/internal/sender_service';
import { CommandAppender } from '@chappe/ranges/command-appender';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { Channel } from '@chappe/rpc/client';
import { startServer, type ServerOptions } from '@chappe/rpc/server';
import type { PeerTls } from '@chappe/rpc/tls';
import { migrate } from '@chappe/store/migrate';
import type { Store } from '@chappe/store/store';
import { rpcFailures, rpcMetrics } from '@chappe/telemetry/rpc-metrics';
import type { Telemetry } from '@chappe/telemetry/telemetry';
import type { ServerCredentials } from '@grpc/grpc-js';
import type { CodeSender } from './code-sender.ts';
import { Connections } from './connections.ts';
import { deviceService } from './device-service.ts';
import { Directory } from './directory.ts';
import { relayEvents } from './events.ts';
import { closeGraceMs, preKeysRefill } from './limits.ts';
import { preKeyService } from './pre-key-service.ts';
import { startPurger } from './purger.ts';
import { registrationService } from './registration.ts';
import type { ShardChannel } from './shard-link.ts';
import { ShardLinks } from './shard-links.ts';

export interface RelayDependencies {
  /** `host:port` for devices: RegistrationService and DeviceService. */
  readonly deviceAddress: string;
  /** `host:port` for range workers: PreKeyService. */
  readonly internalAddress: string;
  /** An address, or several with commas between. */
  readonly cryptoAddress: string;
  readonly coordination: Coordination;
  readonly log: Log;
  readonly store: Store;
  readonly telemetry: Telemetry;
  readonly codes: CodeSender;
  /** Names this start of the process in its logs. */
  readonly instance: string;
  /** TLS of the device address. Absent: none, for one machine or behind a proxy that ends TLS. */
  readonly credentials?: ServerCredentials;
  /** Absent: no TLS between the services. */
  readonly peers?: PeerTls;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface Relay extends AsyncDisposable {
  /** With the real port. */
  readonly deviceAddress: string;
  readonly internalAddress: string;
  /** Why it is not ready, by part; empty: ready. */
  notReady(): Record<string, string>;
}

/** @throws ChappeError `notReady` if an address is taken; StoreError if the store cannot be migrated. */
export async function startRelay(dependencies: RelayDependencies): Promise<Relay> {
  const { coordination, log, store, telemetry, codes, instance, now = Date.now } = dependencies;
  const logger = telemetry.log.child({ instance });
  const events = relayEvents({ log: logger, metrics: telemetry.metrics });
  await migrate(store, { service: 'relay', directory: fileURLToPath(new URL('../migrations', import.meta.url)) });

  // What was started is ended in reverse order, also when a later step fails.
  const started = new AsyncDisposableStack();
  try {
    const cryptoChannel = started.use(
      new Channel({
        address: dependencies.cryptoAddress,
        balance: 'spread',
        repeated: [CryptoService],
        onFailed: rpcFailures(telemetry.metrics),
        credentials: dependencies.peers?.channel,
      }),
    );
    const table = started.use(await watchRoutingTable(coordination));
    const directory = started.use(new Directory(coordination));
    const appender = started.use(new CommandAppender({ log, table }));
    const connections = new Connections(now);
    const connect = (address: string): ShardChannel => connectShard(address, dependencies.peers);
    const links = started.use(new ShardLinks({ table, connections, events, connect }));
    started.use(startPurger({ store, events, now }));

    const shared: Pick<ServerOptions, 'onHandled' | 'onUnexpected'> = {
      onHandled: rpcMetrics(telemetry.metrics),
      onUnexpected: (error, method) => events.unexpected(error, method),
    };
    const internal = await startServer({
      ...shared,
      address: dependencies.internalAddress,
      credentials: dependencies.peers?.server,
      implementations: [
        preKeyService({
          store,
          events,
          now,
          onLow: (contact, device) => connections.find(contact, device)?.refill(preKeysRefill),
        }),
      ],
    });
    started.defer(() => internal.close(closeGraceMs));

    const onRemoved = (contact: string, device: number): void =>
      connections
        .find(contact, device)
        ?.end(new ChappeError('unauthenticated', 'the number was registered anew on another device'));
    const crypto = cryptoChannel.client(CryptoService);
    const devices = await startServer({
      ...shared,
      address: dependencies.deviceAddress,
      implementations: [
        registrationService({ store, codes, appender, events, now, onRemoved }),
        deviceService({ store, connections, links, directory, appender, crypto, events, now }),
      ],
      credentials: dependencies.credentials,
    });
    started.defer(async () => {
      devices.setServing(false);
      connections.endAll(new ChappeError('notReady', 'the relay is stopping; connect again'));
      await devices.close(closeGraceMs);
    });

    internal.setServing(true);
    devices.setServing(true);
    const ready = started.move();
    return {
      deviceAddress: devices.address,
      internalAddress: internal.address,
      notReady: () => problems({ table: table.problem(), directory: directory.problem(), ...links.problems() }),
      [Symbol.asyncDispose]: () => ready.disposeAsync(),
    };
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
}

function connectShard(address: string, peers: PeerTls | undefined): ShardChannel {
  const channel = new Channel({ address, credentials: peers?.channel });
  return {
    attach: channel.client(SenderService).attach,
    waitForReady: (timeoutMs) => channel.waitForReady(timeoutMs),
    [Symbol.dispose]: () => channel[Symbol.dispose](),
  };
}

function problems(byPart: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [part, problem] of Object.entries(byPart)) if (problem !== undefined) found[part] = problem;
  return found;
}
