/** SenderService.Attach: a relay's one stream to this shard. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { AttachRequest, AttachResponseSchema } from '@chappe/proto/internal/sender_service';
import type { ServerStream } from '@chappe/rpc/server';
import { RelayStream } from './relay-stream.ts';
import type { Shard } from './shard.ts';

export async function attach(
  shard: Shard,
  stream: ServerStream<AttachRequest, MessageInitShape<typeof AttachResponseSchema>>,
): Promise<void> {
  const sink = new RelayStream((frame) => stream.send(frame));
  try {
    for await (const request of stream.requests) await takeFrame(shard, request, sink);
  } finally {
    sink.close();
    for (const worker of shard.workers.values()) await worker.detachAll(sink);
  }
}

/** Hands each entry to the worker of its contact, in order; waiting for room pushes back on the relay. */
async function takeFrame(shard: Shard, request: AttachRequest, sink: RelayStream): Promise<void> {
  // First: a range may have come back before the relay could say that it had left.
  for (const { device } of request.detach) {
    if (device === undefined) throw malformed('detach');
    await shard.takeDeviceWork({ kind: 'detach', device, sink });
  }
  for (const { device, resume } of request.attach) {
    if (device === undefined || resume === undefined) throw malformed('attach');
    await shard.takeDeviceWork({ kind: 'attach', device, resume, sink });
  }
  for (const { device, acknowledge } of request.acknowledge) {
    if (device === undefined || acknowledge === undefined) throw malformed('acknowledge');
    await shard.takeDeviceWork({ kind: 'acknowledge', device, acknowledge, sink });
  }
  for (const { device, messageIds } of request.read) {
    if (device === undefined) throw malformed('read');
    await shard.takeDeviceWork({ kind: 'read', device, messageIds, sink });
  }
}

function malformed(entry: string): ChappeError {
  return new ChappeError('invalidRequest', `an ${entry} entry lacks its device or its content`);
}
