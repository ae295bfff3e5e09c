/**
 * A handset's connection that misbehaves: of what the device sends on its stream, frames are sent twice,
 * and old ones again, in any order. What begins a stream (`resume`) stays first.
 */
import type { Channel } from '@chappe/rpc/client';
import { withStreams } from './device-streams.ts';
import type { DeviceStream } from './device-streams.ts';
import { replacing } from './replacing.ts';

/** Frames of a device that are remembered, to be sent again. */
const rememberedMax = 20;
const repeatShare = 0.3;
const replayShare = 0.3;

/** @param onRepeat counts what was sent beyond what the device said */
export function mangledChannel(channel: Channel, random: () => number, onRepeat: () => void): Channel {
  const said: object[] = [];
  const mangled = (send: DeviceStream['send']): DeviceStream['send'] => {
    let isFirst = true;
    return async (frame) => {
      await send(frame);
      if (isFirst) {
        isFirst = false;
        return;
      }
      said.push(frame);
      if (said.length > rememberedMax) said.shift();
      const again = [
        ...(random() < repeatShare ? [frame] : []),
        ...(random() < replayShare ? said.toSorted(() => random() - 0.5).slice(0, 3) : []),
      ];
      for (const old of again) {
        onRepeat();
        await send(old);
      }
    };
  };
  return withStreams(channel, (stream) => replacing(stream, { send: mangled((frame) => stream.send(frame)) }));
}
