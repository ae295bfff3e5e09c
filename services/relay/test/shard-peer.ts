/** A shard as the relay meets it: the other end of SenderService.Attach, driven by the test. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import { EnvelopesSchema, type Envelopes, type OutcomeSchema } from '@chappe/proto/device/device_service';
import {
  AttachResponseSchema,
  SenderService,
  type AttachRequest,
  type AttachResponse,
  type DeviceAcknowledge,
  type DeviceAttach,
  type DeviceDetach,
  type DeviceRead,
  type DeviceRef,
  type RefusedReason,
} from '@chappe/proto/internal/sender_service';
import { implement, startServer, type RpcServer, type ServerStream } from '@chappe/rpc/server';

/** One entry of a request, with the stream that it came on. */
export type Entry =
  | { readonly kind: 'attach'; readonly stream: number; readonly value: DeviceAttach }
  | { readonly kind: 'detach'; readonly stream: number; readonly value: DeviceDetach }
  | { readonly kind: 'acknowledge'; readonly stream: number; readonly value: DeviceAcknowledge }
  | { readonly kind: 'read'; readonly stream: number; readonly value: DeviceRead };

type Stream = ServerStream<AttachRequest, Parameters<ServerStream<AttachRequest, AttachResponse>['send']>[0]>;

export class ShardPeer implements AsyncDisposable {
  readonly entries: Entry[] = [];
  readonly requests: AttachRequest[] = [];
  #server: RpcServer | undefined;
  #streams = 0;
  #stream: Stream | undefined;
  #end = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();

  static async start(): Promise<ShardPeer> {
    const peer = new ShardPeer();
    peer.#server = await startServer({
      address: '127.0.0.1:0',
      implementations: [
        implement(SenderService, {
          attach: (stream) => peer.#serve(stream as Stream),
          getContact: () => Promise.reject(new ChappeError('notFound', 'not part of these tests')),
        }),
      ],
      onUnexpected: (error) => {
        throw error;
      },
    });
    return peer;
  }

  get address(): string {
    return this.#server?.address ?? '';
  }

  /** The first entry of a kind that has not been taken. */
  async next<K extends Entry['kind']>(kind: K): Promise<Extract<Entry, { kind: K }>> {
    for (;;) {
      const index = this.entries.findIndex((entry) => entry.kind === kind);
      const [entry] = index === -1 ? [] : this.entries.splice(index, 1);
      if (entry !== undefined) return entry as Extract<Entry, { kind: K }>;
      await this.#changed.promise;
    }
  }

  async push(device: DeviceRef | undefined, epoch: bigint, pushed: Envelopes, range = 'r-1'): Promise<void> {
    await this.#send(create(AttachResponseSchema, { push: [{ ...given(device), range, epoch, envelopes: pushed }] }));
  }

  async forget(device: DeviceRef | undefined, incarnation: number, through: bigint): Promise<void> {
    await this.#send(
      create(AttachResponseSchema, { forget: [{ ...given(device), forget: { incarnation, through } }] }),
    );
  }

  /** In one frame. */
  async outcomes(
    device: DeviceRef | undefined,
    ...outcomes: readonly MessageInitShape<typeof OutcomeSchema>[]
  ): Promise<void> {
    const entries = outcomes.map((outcome) => ({ ...given(device), outcome }));
    await this.#send(create(AttachResponseSchema, { outcome: entries }));
  }

  async refuse(device: DeviceRef | undefined, reason: RefusedReason): Promise<void> {
    await this.#send(create(AttachResponseSchema, { refused: [{ ...given(device), reason }] }));
  }

  /** Ends the stream, as a restart of the shard would. */
  breakStream(): void {
    this.#end.resolve();
    this.#end = Promise.withResolvers<void>();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.breakStream();
    await this.#server?.close(100);
  }

  async #send(response: AttachResponse): Promise<void> {
    await this.#stream?.send(response);
  }

  async #serve(stream: Stream): Promise<void> {
    this.#stream = stream;
    this.#streams += 1;
    await Promise.race([this.#end.promise, this.#read(stream, this.#streams)]);
  }

  async #read(stream: Stream, no: number): Promise<void> {
    for await (const request of stream.requests) {
      this.requests.push(request);
      this.entries.push(
        ...request.attach.map((value) => ({ kind: 'attach', stream: no, value }) as const),
        ...request.detach.map((value) => ({ kind: 'detach', stream: no, value }) as const),
        ...request.acknowledge.map((value) => ({ kind: 'acknowledge', stream: no, value }) as const),
        ...request.read.map((value) => ({ kind: 'read', stream: no, value }) as const),
      );
      this.#changed.resolve();
      this.#changed = Promise.withResolvers<void>();
    }
  }
}

/** Envelopes `from` to `to` of incarnation 1. */
export function envelopes(from: number, to: number, bytes = 8): Envelopes {
  return create(EnvelopesSchema, {
    incarnation: 1,
    envelopes: Array.from({ length: to - from + 1 }, (_, index) => ({
      number: BigInt(from + index),
      from: '33600000001',
      sessionNo: 1,
      ciphertext: new Uint8Array(bytes),
    })),
  });
}

function given(device: DeviceRef | undefined): { device?: DeviceRef } {
  return device === undefined ? {} : { device };
}
