/** A relay between its devices and the shards, without what needs libsignal: registrations and prekeys. */
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { ConnectRequest, ConnectResponse } from '@chappe/proto/device/device_service';
import { AttachRequestSchema, type AttachRequest, type AttachResponse } from '@chappe/proto/internal/sender_service';
import { CommandAppender } from '@chappe/ranges/command-appender';
import { watchRoutingTable } from '@chappe/ranges/table-watcher';
import { Connections } from '@chappe/relay/connections';
import { DeviceConnection, type DeviceConnectionDependencies } from '@chappe/relay/device-connection';
import type { Events } from '@chappe/relay/events';
import type { ShardChannel } from '@chappe/relay/shard-link';
import { ShardLinks } from '@chappe/relay/shard-links';
import type { Program } from './machine.ts';
import { Unanswered, type StreamEnd } from './network.ts';
import { businessOf, type Device } from './people.ts';
import { coordinationOf, logOf, type Site } from './site.ts';
import type { Life } from './virtual-time.ts';

export function relayProgram(site: Site): Program {
  return async (life) => {
    const table = await watchRoutingTable(coordinationOf(site, 'relay', life));
    const appender = new CommandAppender({ log: logOf(site, 'relay', life), table });
    const connections = new Connections(() => Date.now());
    const events = eventsOf(site, life);
    const connect = (address: string): ShardChannel => channelTo(site, life, address);
    const links = new ShardLinks({ table, connections, events, connect });
    const directory: DeviceConnectionDependencies['directory'] = {
      lookUp: async (number) => ({ business: businessOf(number), name: number }),
    };
    const serve = async (stream: StreamEnd<ConnectResponse, ConnectRequest>, device?: Device): Promise<void> => {
      if (device === undefined) throw new ChappeError('unauthenticated', 'who is it?');
      const connection = new DeviceConnection(device, connections.nextNo(), {
        stream,
        appender,
        directory,
        links,
        events,
      });
      connections.add(connection);
      try {
        await connection.run();
      } finally {
        connections.remove(connection);
        links.detach(connection);
      }
    };
    site.relays.set(life.name, { life, serve });
    return {
      [Symbol.asyncDispose]: async () => {
        connections.endAll(new ChappeError('notReady', 'the relay is stopping; connect again'));
        await links[Symbol.asyncDispose]();
        await appender[Symbol.asyncDispose]();
        await table[Symbol.asyncDispose]();
      },
    };
  };
}

/** To whoever serves under an address at that moment, as gRPC finds it. */
function channelTo({ network, shards }: Site, life: Life, address: string): ShardChannel {
  return {
    waitForReady: async (timeoutMs) => {
      const served = shards.get(address);
      if (served === undefined) throw new ChappeError('notReady', `nobody serves under ${address}`);
      try {
        await network.call(life, served.life, { name: 'connect', timeoutMs }, () => undefined);
      } catch (error) {
        if (error instanceof Unanswered) throw new ChappeError('notReady', error.message);
        throw error;
      }
    },
    attach: ({ signal } = {}) => {
      const served = shards.get(address);
      const stream = network.stream<AttachRequest, AttachResponse>(life, served?.life, 'attach', async (end) =>
        served?.serve(end),
      );
      signal?.addEventListener('abort', () => stream.cancel(), { once: true });
      return {
        responses: stream.responses,
        send: (frame) => stream.send(decodeMessage(AttachRequestSchema, encodeMessage(AttachRequestSchema, frame))),
        end: () => stream.end(),
        cancel: () => stream.cancel(),
      };
    },
    [Symbol.dispose]: () => undefined,
  };
}

function eventsOf({ trace }: Site, { label }: Life): Events {
  const say = (what: string): void => trace.say(label, what);
  return {
    codeSent: () => undefined,
    registration: () => undefined,
    claimed: () => undefined,
    connected: () => undefined,
    pushed: () => undefined,
    dropped: (reason) => say(`drops a push: ${reason}`),
    commanded: () => undefined,
    linkUp: (shard) => say(`has a stream to ${shard}`),
    linkDown: (shard, reason) => say(`has no stream to ${shard}: ${reason}`),
    unexpected: (error, where) =>
      say(`meets a fault in ${where}: ${error instanceof Error ? error.message : 'unknown'}`),
  };
}
