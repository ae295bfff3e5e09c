/** A handset's connection whose envelopes somebody else sees as well, as they come over the wire. */
import type { ConnectResponse, Envelope } from '@chappe/proto/device/device_service';
import type { Channel } from '@chappe/rpc/client';
import { withStreams } from './device-streams.ts';
import { replacing } from './replacing.ts';

/** @param onEnvelope before the handset has it */
export function overheardChannel(channel: Channel, onEnvelope: (envelope: Envelope) => void): Channel {
  return withStreams(channel, (stream) => replacing(stream, { responses: overhear(stream.responses, onEnvelope) }));
}

async function* overhear(
  responses: AsyncIterable<object>,
  onEnvelope: (envelope: Envelope) => void,
): AsyncIterable<object> {
  for await (const response of responses) {
    // The service that handsets connect to answers with nothing else.
    const { frame } = response as ConnectResponse;
    if (frame.case === 'envelopes') for (const envelope of frame.value.envelopes) onEnvelope(envelope);
    yield response;
  }
}
