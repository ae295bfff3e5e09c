/** DeviceService: what a registered device does. Every call is bound to its credential. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { parsePhoneNumber } from '@chappe/numbers/phone-number';
import { DeviceService } from '@chappe/proto/device/device_service';
import type { CryptoService } from '@chappe/proto/internal/crypto_service';
import type { CommandAppender } from '@chappe/ranges/command-appender';
import type { Client } from '@chappe/rpc/client';
import { implement, type Implementation } from '@chappe/rpc/server';
import type { Store } from '@chappe/store/store';
import type { Connections } from './connections.ts';
import { DeviceConnection } from './device-connection.ts';
import { authenticate } from './devices.ts';
import type { Directory } from './directory.ts';
import type { Events } from './events.ts';
import {
  bundleFetchersMax,
  bundleFetchesPerMinute,
  cryptoDeadlineMs,
  preKeysLowWater,
  preKeysRefill,
} from './limits.ts';
import { countPreKeys, upload } from './pre-keys.ts';
import { RateLimiter } from './rate-limiter.ts';
import { issueLinkCode } from './registration-codes.ts';
import type { ShardLinks } from './shard-links.ts';

export interface DeviceServiceDependencies {
  readonly store: Store;
  readonly connections: Connections;
  readonly links: ShardLinks;
  readonly directory: Directory;
  readonly appender: Pick<CommandAppender, 'append'>;
  readonly crypto: Pick<Client<typeof CryptoService>, 'getNumberBundle'>;
  readonly events: Events;
  readonly now: () => number;
}

export function deviceService(dependencies: DeviceServiceDependencies): Implementation {
  const { store, connections, links, directory, crypto, events, now } = dependencies;
  const bundleFetches = new RateLimiter({ perMinute: bundleFetchesPerMinute, keysMax: bundleFetchersMax });

  return implement(DeviceService, {
    async uploadPreKeys({ preKeys, signedPreKey, lastResortKyberPreKey }, { bearer }) {
      const { contact, device } = await authenticate(store, bearer);
      return {
        preKeyCount: await upload(store, contact, device, { preKeys, signedPreKey, lastResortKyberPreKey }, now()),
      };
    },

    async getNumberBundle(request, { bearer, signal }) {
      const { contact, device } = await authenticate(store, bearer);
      const waitMs = bundleFetches.take(`${contact}/${device}`, now());
      if (waitMs > 0)
        throw new ChappeError('tooManyRequests', 'too many bundles were fetched by this device', {
          retryAfterMs: waitMs,
        });
      const { number } = parsePhoneNumber(request.number);
      const entry = await directory.lookUp(number);
      if (entry === undefined) throw new ChappeError('notFound', 'no business has this number');
      const { bundle } = await crypto.getNumberBundle({ number }, { deadlineMs: cryptoDeadlineMs, signal });
      if (bundle === undefined) throw new ChappeError('notFound', 'the number has no keys');
      return { bundle, businessName: entry.name };
    },

    async createLinkCode(_request, { bearer }) {
      const device = await authenticate(store, bearer);
      return { linkCode: await issueLinkCode(store, device, now()) };
    },

    async connect(stream) {
      const device = await authenticate(store, stream.bearer);
      const connection = new DeviceConnection(device, connections.nextNo(), { ...dependencies, stream });
      connections.add(connection);
      events.connected(1);
      try {
        if ((await countPreKeys(store, device.contact, device.device)) < preKeysLowWater)
          connection.refill(preKeysRefill);
        await connection.run();
      } finally {
        connections.remove(connection);
        links.detach(connection);
        events.connected(-1);
      }
    },
  });
}
