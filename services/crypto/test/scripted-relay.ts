/** The least server that a handset can talk to: one mailbox, what came up, and connections that can be cut. */
import { once, EventEmitter } from 'node:events';
import { create } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import {
  DeviceService,
  EnvelopeSchema,
  type Acknowledge,
  type Block,
  type ConnectRequest,
  type ConnectResponseSchema,
  type Envelope,
  type Outbound,
} from '@chappe/proto/device/device_service';
import type { PreKeyBundle } from '@chappe/proto/device/keys';
import { RegistrationService, type RegisterRequest } from '@chappe/proto/device/registration_service';
import type { EncryptResult } from '@chappe/proto/internal/crypto_service';
import { implement, startServer, type RpcServer, type ServerStream } from '@chappe/rpc/server';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { number } from './crypto-harness.ts';

type ResponseInit = MessageInitShape<typeof ConnectResponseSchema>;

export class ScriptedRelay implements AsyncDisposable {
  readonly registrations: RegisterRequest[] = [];
  readonly acknowledgements: Acknowledge[] = [];
  readonly outbounds: Outbound[] = [];
  readonly blocks: Block[] = [];
  readonly reads: string[] = [];
  readonly uploads: number[] = [];
  readonly envelopes: Envelope[] = [];
  resumes = 0;
  incarnation = 1;
  /** While false nothing is confirmed and nothing forgotten. */
  confirms = true;
  /** While false nobody is told what became of replies. */
  receives = true;
  removed = false;
  bundle: PreKeyBundle | undefined;
  readonly #frames = new EventEmitter();
  readonly #cuts = new Set<() => void>();
  #stream: ServerStream<ConnectRequest, ResponseInit> | undefined;
  #server: RpcServer | undefined;

  async start(address: string): Promise<void> {
    this.#server = await startServer({
      address,
      onUnexpected: (error) => {
        throw error;
      },
      implementations: [
        implement(RegistrationService, {
          requestCode: () => Promise.resolve({}),
          register: (request) => {
            this.registrations.push(request);
            return Promise.resolve({ device: 1, credential: 'secret' });
          },
        }),
        implement(DeviceService, {
          uploadPreKeys: ({ preKeys }) => {
            this.uploads.push(preKeys.length);
            this.#frames.emit('frame');
            return Promise.resolve({ preKeyCount: preKeys.length });
          },
          getNumberBundle: () => Promise.resolve(this.bundle === undefined ? {} : { bundle: this.bundle }),
          createLinkCode: (_request, { bearer }) => Promise.resolve({ linkCode: `link-${bearer}` }),
          connect: (stream) => this.#serve(stream),
        }),
      ],
    });
  }

  /** Puts what crypto encrypted at the end of the mailbox, and pushes it. */
  async push(results: readonly EncryptResult[], sessionNo: number): Promise<void> {
    const first = BigInt(this.envelopes.length + 1);
    const added = results.map(({ ciphertext, type }, index) =>
      create(EnvelopeSchema, { number: first + BigInt(index), from: number, sessionNo, ciphertext, type }),
    );
    this.envelopes.push(...added);
    await this.send({ frame: { case: 'envelopes', value: { incarnation: this.incarnation, envelopes: added } } });
  }

  async send(response: ResponseInit): Promise<void> {
    await this.#stream?.send(response);
  }

  cutConnections(): void {
    for (const cut of this.#cuts) cut();
  }

  /** Resolves when it is so; looks again after every frame that came up. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.#frames, 'frame');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutConnections();
    await this.#server?.[Symbol.asyncDispose]();
  }

  async #serve(stream: ServerStream<ConnectRequest, ResponseInit>): Promise<void> {
    if (this.removed || stream.bearer !== 'secret') throw new ChappeError('unauthenticated', 'the device was removed');
    const { promise: isCut, resolve: cut } = Promise.withResolvers<undefined>();
    this.#cuts.add(() => cut(undefined));
    this.#stream = stream;
    const requests = stream.requests[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([requests.next(), isCut]);
      if (next === undefined || next.done === true) return;
      await this.#take(next.value.frame, stream);
      this.#frames.emit('frame');
    }
  }

  async #take(frame: ConnectRequest['frame'], stream: ServerStream<ConnectRequest, ResponseInit>): Promise<void> {
    switch (frame.case) {
      case 'resume': {
        this.resumes += 1;
        const envelopes = this.envelopes.filter((envelope) => envelope.number > frame.value.number);
        if (envelopes.length === 0) return;
        return stream.send({ frame: { case: 'envelopes', value: { incarnation: this.incarnation, envelopes } } });
      }
      case 'acknowledge': {
        this.acknowledgements.push(frame.value);
        const { incarnation, through } = frame.value;
        if (this.confirms) await stream.send({ frame: { case: 'forget', value: { incarnation, through } } });
        return;
      }
      case 'outbound':
      case 'block':
        if (frame.case === 'outbound') this.outbounds.push(frame.value);
        else this.blocks.push(frame.value);
        if (this.confirms) await stream.send({ frame: { case: 'confirmed', value: { ids: [frame.value.id] } } });
        if (this.confirms && this.receives && frame.case === 'outbound')
          await stream.send({ frame: { case: 'outcome', value: { received: [frame.value.id] } } });
        return;
      case 'read':
        this.reads.push(...frame.value.messageIds);
        return;
      case undefined:
        throw new Error('an empty frame');
    }
  }
}
