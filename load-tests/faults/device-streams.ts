/** The streams of a handset's channel, with something put between. */
import type { Channel } from '@chappe/rpc/client';
import { replacing } from './replacing.ts';

export interface DeviceStream {
  readonly send: (frame: object) => Promise<void>;
  readonly responses: AsyncIterable<object>;
}

/** @param change is called with each stream that the handset opens */
export function withStreams(channel: Channel, change: (stream: DeviceStream) => DeviceStream): Channel {
  const client = (service: Parameters<Channel['client']>[0]): object => {
    const real = channel.client(service) as unknown as Readonly<
      Record<string, (...options: unknown[]) => DeviceStream>
    >;
    return replacing(real, {
      connect: (...options: unknown[]) => change((real['connect'] ?? missing)(...options)),
    });
  };
  return replacing(channel, { client });
}

function missing(): never {
  throw new Error('the service has no such method');
}
