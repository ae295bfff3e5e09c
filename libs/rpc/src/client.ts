/** A typed client from one protobuf-es service descriptor. */
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create } from '@bufbuild/protobuf';
import { ChappeError } from '@chappe/errors/chappe-error';
import {
  Client as GrpcClient,
  credentials as grpcCredentials,
  Metadata,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
} from '@grpc/grpc-js';
import { grpcDefinition } from './definition.ts';
import { writeRespectingFlow } from './flow.ts';
import { defaultDeadlineMs, keepalive, maxFrameBytes } from './limits.ts';
import { fromServiceError } from './status.ts';

export interface CallOptions {
  /** For unary calls; absent: 10 s. Streams have none. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
  /** Instead of the channel's token: for many callers over one connection. */
  readonly bearer?: string;
}

/** The client's end of a bidirectional stream. */
export interface ClientStream<In, Out> {
  /** Reading it one by one pushes back on the server. Throws ChappeError when the stream fails. */
  readonly responses: AsyncIterable<Out>;
  /** Resolves when more may be sent. */
  send(request: In): Promise<void>;
  /** Nothing more will be sent; responses go on. */
  end(): void;
  cancel(): void;
}

type Call<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageInitShape<M['input']>, options?: CallOptions) => Promise<MessageShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageInitShape<M['input']>, options?: CallOptions) => AsyncIterable<MessageShape<M['output']>>
    : (options?: CallOptions) => ClientStream<MessageInitShape<M['input']>, MessageShape<M['output']>>;

/** One function for each method; all of them throw ChappeError. */
export type Client<S extends DescService> = { readonly [K in keyof S['method']]: Call<S['method'][K]> };

export interface ChannelOptions {
  /** `host:port` or `unix:/path`. */
  readonly address: string;
  readonly credentials?: ChannelCredentials;
  /** Sent as `authorization: Bearer <token>`. */
  readonly bearer?: string;
}

/** One connection to one address, which clients share. */
export class Channel implements Disposable {
  readonly #client: GrpcClient;
  readonly #bearer: string | undefined;

  constructor(options: ChannelOptions) {
    this.#client = new GrpcClient(options.address, options.credentials ?? grpcCredentials.createInsecure(), {
      'grpc.max_receive_message_length': maxFrameBytes,
      'grpc.max_send_message_length': maxFrameBytes,
      'grpc.use_local_subchannel_pool': 1,
      ...keepalive.client,
    });
    this.#bearer = options.bearer;
  }

  client<S extends DescService>(service: S): Client<S> {
    const definition = grpcDefinition(service);
    const calls = service.methods.map((method) => [method.localName, this.#call(method, definition)] as const);
    // The keys and kinds come from the same descriptor that types `Client<S>`.
    return Object.fromEntries(calls) as unknown as Client<S>;
  }

  /** Resolves when the server answers. @throws ChappeError `notReady` when it has not after `timeoutMs`. */
  waitForReady(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#client.waitForReady(Date.now() + timeoutMs, (error) => {
        if (error === undefined || error === null) resolve();
        else reject(new ChappeError('notReady', `no answer from the server within ${timeoutMs} ms`, { cause: error }));
      });
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  #metadata(options: CallOptions): Metadata {
    const metadata = new Metadata();
    const bearer = options.bearer ?? this.#bearer;
    if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`);
    return metadata;
  }

  #call(method: DescMethod, definition: ReturnType<typeof grpcDefinition>): unknown {
    const { path, requestSerialize, responseDeserialize } = definition[method.localName] ?? fail(method);
    switch (method.methodKind) {
      case 'unary':
        return (request: object, options: CallOptions = {}) =>
          new Promise((resolve, reject) => {
            const deadline = Date.now() + (options.deadlineMs ?? defaultDeadlineMs);
            const call = this.#client.makeUnaryRequest(
              path,
              requestSerialize,
              responseDeserialize,
              create(method.input, request as Record<string, unknown>),
              this.#metadata(options),
              { deadline },
              (error, response) => {
                options.signal?.removeEventListener('abort', cancel);
                if (error === null) resolve(response);
                else reject(fromServiceError(error));
              },
            );
            const cancel = (): void => call.cancel();
            options.signal?.addEventListener('abort', cancel, { once: true });
            if (options.signal?.aborted === true) cancel();
          });
      case 'server_streaming':
        return (request: object, options: CallOptions = {}) => {
          const call = this.#client.makeServerStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            create(method.input, request as Record<string, unknown>),
            this.#metadata(options),
          );
          return responsesOf(call, options.signal);
        };
      case 'client_streaming':
        return fail(method);
      case 'bidi_streaming':
        return (options: CallOptions = {}): ClientStream<object, unknown> => {
          const call: ClientDuplexStream<object, unknown> = this.#client.makeBidiStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            this.#metadata(options),
          );
          return {
            responses: responsesOf(call, options.signal),
            send: (request) => writeRespectingFlow(call, request),
            end: () => call.end(),
            cancel: () => call.cancel(),
          };
        };
    }
  }
}

function fail(method: DescMethod): never {
  throw new Error(`${method.name} is not a method that can be called`);
}

/** The responses as they are read; a failure that comes before reading begins waits for it. */
function responsesOf<T>(
  call: ClientReadableStream<T> | ClientDuplexStream<object, T>,
  signal?: AbortSignal,
): AsyncIterable<T> {
  let failure: unknown;
  call.on('error', (error) => {
    failure = error;
  });
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  return {
    async *[Symbol.asyncIterator]() {
      try {
        if (failure !== undefined) throw fromServiceError(failure);
        for await (const response of call) yield response as T;
      } catch (error) {
        if (signal?.aborted === true) return;
        throw fromServiceError(error);
      } finally {
        signal?.removeEventListener('abort', cancel);
        call.cancel();
      }
    },
  };
}
