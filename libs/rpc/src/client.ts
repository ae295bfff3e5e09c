/** A typed client from one protobuf-es service descriptor. */
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { GrpcStatus } from '@chappe/errors/catalogue';
import {
  credentials as grpcCredentials,
  Metadata,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type MethodDefinition,
} from '@grpc/grpc-js';
import { codeOf, hasNotLeft } from './call-failure.ts';
import { grpcDefinition } from './definition.ts';
import { addressesIn, Endpoints, type Balance, type Endpoint } from './endpoints.ts';
import { writeRespectingFlow } from './flow.ts';
import { attemptsMax, defaultDeadlineMs, keepalive, maxFrameBytes } from './limits.ts';
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
  /**
   * `host:port` or `unix:/path`; replicas with commas between, or as one DNS name with several
   * addresses.
   */
  readonly address: string;
  /** Over several addresses. Absent: `stick`. */
  readonly balance?: Balance;
  /**
   * Services whose unary calls may be repeated at another server when one is away, within the call's
   * deadline: only those that say of every method that it is idempotent.
   */
  readonly repeated?: readonly DescService[];
  readonly credentials?: ChannelCredentials | undefined;
  /** With TLS, the name in the servers' certificate. Absent: the one in the address. */
  readonly serverName?: string | undefined;
  /** Sent as `authorization: Bearer <token>`. */
  readonly bearer?: string;
  /** Told of each attempt at a unary call that failed. Must not throw. */
  readonly onFailed?: (service: string, method: string, code: number) => void;
}

interface UnaryCall {
  readonly method: DescMethod;
  readonly definition: MethodDefinition<object, object>;
  readonly request: object;
  readonly options: CallOptions;
  readonly deadline: number;
}

/** The connections to one service, at one address or several, which clients share. */
export class Channel implements Disposable {
  readonly #endpoints: Endpoints;
  readonly #repeated: ReadonlySet<string>;
  readonly #bearer: string | undefined;
  readonly #onFailed: ChannelOptions['onFailed'];

  /** @throws ChappeError `parameterInvalid` without an address */
  constructor(options: ChannelOptions) {
    const { balance = 'stick', credentials = grpcCredentials.createInsecure(), repeated = [] } = options;
    this.#endpoints = new Endpoints(addressesIn(options.address), balance, credentials, {
      'grpc.max_receive_message_length': maxFrameBytes,
      'grpc.max_send_message_length': maxFrameBytes,
      'grpc.use_local_subchannel_pool': 1,
      ...(balance === 'spread' ? { 'grpc.service_config': spreadOverAddresses } : {}),
      ...(options.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': options.serverName }),
      ...keepalive.client,
    });
    this.#repeated = new Set(repeated.map(({ typeName }) => typeName));
    this.#bearer = options.bearer;
    this.#onFailed = options.onFailed;
  }

  client<S extends DescService>(service: S): Client<S> {
    const definition = grpcDefinition(service);
    const calls = service.methods.map((method) => [method.localName, this.#call(method, definition)] as const);
    // The keys and kinds come from the same descriptor that types `Client<S>`.
    return Object.fromEntries(calls) as unknown as Client<S>;
  }

  /** Resolves when a server answers. @throws ChappeError `notReady` when none has after `timeoutMs`. */
  waitForReady(timeoutMs: number): Promise<void> {
    return this.#endpoints.waitForReady(timeoutMs);
  }

  [Symbol.dispose](): void {
    this.#endpoints[Symbol.dispose]();
  }

  #metadata(options: CallOptions): Metadata {
    const metadata = new Metadata();
    const bearer = options.bearer ?? this.#bearer;
    if (bearer !== undefined) metadata.set('authorization', `Bearer ${bearer}`);
    return metadata;
  }

  #call(method: DescMethod, definitions: ReturnType<typeof grpcDefinition>): unknown {
    const definition = definitions[method.localName] ?? fail(method);
    const { path, requestSerialize, responseDeserialize } = definition;
    switch (method.methodKind) {
      case 'unary':
        return (request: object, options: CallOptions = {}) => {
          const deadline = Date.now() + (options.deadlineMs ?? defaultDeadlineMs);
          return this.#repeat({ method, definition, request, options, deadline });
        };
      case 'server_streaming':
        return (request: object, options: CallOptions = {}) => {
          const endpoint = this.#endpoints.pick();
          const call = endpoint.client.makeServerStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            request,
            this.#metadata(options),
          );
          this.#endpoints.leaveUnlessReached(endpoint, call);
          return responsesOf(call, (error) => this.#endpoints.ended(endpoint, error), options.signal);
        };
      case 'client_streaming':
        return fail(method);
      case 'bidi_streaming':
        return (options: CallOptions = {}): ClientStream<object, unknown> => {
          const endpoint = this.#endpoints.pick();
          const call: ClientDuplexStream<object, unknown> = endpoint.client.makeBidiStreamRequest(
            path,
            requestSerialize,
            responseDeserialize,
            this.#metadata(options),
          );
          this.#endpoints.leaveUnlessReached(endpoint, call);
          return {
            responses: responsesOf(call, (error) => this.#endpoints.ended(endpoint, error), options.signal),
            send: (request) => writeRespectingFlow(call, request),
            end: () => call.end(),
            cancel: () => call.cancel(),
          };
        };
    }
  }

  /** At one server after the other: if the method may be repeated, or as long as the request has not left. */
  async #repeat(call: UnaryCall): Promise<unknown> {
    const isRepeated = this.#repeated.has(call.method.parent.typeName);
    const attempts = Math.min(attemptsMax, this.#endpoints.size);
    for (let attempt = 1; ; attempt += 1) {
      const endpoint = this.#endpoints.pick();
      try {
        return await this.#once(endpoint, call);
      } catch (error) {
        this.#endpoints.ended(endpoint, error);
        this.#onFailed?.(call.method.parent.typeName, call.method.name, codeOf(error));
        const mayRepeat = isRepeated ? codeOf(error) === GrpcStatus.unavailable : hasNotLeft(error);
        if (!mayRepeat || attempt >= attempts || call.options.signal?.aborted === true) throw fromServiceError(error);
      }
    }
  }

  #once(endpoint: Endpoint, { definition, request, options, deadline }: UnaryCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = endpoint.client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        this.#metadata(options),
        { deadline },
        (error, response) => {
          options.signal?.removeEventListener('abort', cancel);
          if (error === null) resolve(response);
          else reject(error);
        },
      );
      this.#endpoints.leaveUnlessReached(endpoint, call);
      const cancel = (): void => call.cancel();
      options.signal?.addEventListener('abort', cancel, { once: true });
      if (options.signal?.aborted === true) cancel();
    });
  }
}

/** One DNS name with several addresses: calls take turns over these as well. */
const spreadOverAddresses = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] });

function fail(method: DescMethod): never {
  throw new Error(`${method.name} is not a method that can be called`);
}

/** The responses as they are read; a failure that comes before reading begins waits for it. */
function responsesOf<T>(
  call: ClientReadableStream<T> | ClientDuplexStream<object, T>,
  onFailure: (error: unknown) => void,
  signal?: AbortSignal,
): AsyncIterable<T> {
  let failure: unknown;
  call.on('error', (error) => {
    failure = error;
    onFailure(error);
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
