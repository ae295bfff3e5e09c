/** A gRPC server from typed handlers, with the health and reflection services. */
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { ChappeError, toChappeError } from '@chappe/errors/chappe-error';
import {
  Server,
  ServerCredentials,
  type Metadata,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { HealthImplementation } from 'grpc-health-check';
import { grpcDefinition, UndecodableRequest } from './definition.ts';
import { keepalive, maxFrameBytes } from './limits.ts';
import { toStatus } from './status.ts';
import { writeRespectingFlow } from './flow.ts';

/** What a handler knows of its call. */
export interface CallContext {
  /** The token of `authorization: Bearer <token>`, or ''. */
  readonly bearer: string;
  /** Aborted when the caller is gone or its deadline has passed. */
  readonly signal: AbortSignal;
}

/** The server's end of a bidirectional stream. Returning from the handler ends it. */
export interface ServerStream<In, Out> extends CallContext {
  /** Reading it one by one pushes back on the caller. Ends when the caller half-closes. */
  readonly requests: AsyncIterable<In>;
  /** Resolves when more may be sent: await it, or memory is the queue. */
  send(response: Out): Promise<void>;
}

type Handler<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: MessageShape<M['input']>, context: CallContext) => Promise<MessageInitShape<M['output']>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: MessageShape<M['input']>, context: CallContext) => AsyncIterable<MessageInitShape<M['output']>>
    : (stream: ServerStream<MessageShape<M['input']>, MessageInitShape<M['output']>>) => Promise<void>;

/** One handler for each method of a service. */
export type Handlers<S extends DescService> = { [K in keyof S['method']]: Handler<S['method'][K]> };

export interface Implementation {
  readonly service: DescService;
  readonly handlers: Record<string, unknown>;
}

export function implement<S extends DescService>(service: S, handlers: Handlers<S>): Implementation {
  return { service, handlers };
}

export interface ServerOptions {
  /** `host:port` (port 0: any free one) or `unix:/path`. */
  readonly address: string;
  readonly implementations: readonly Implementation[];
  readonly credentials?: ServerCredentials | undefined;
  /** Told of every ended call; `code` is the gRPC status number. */
  readonly onHandled?: (service: string, method: string, code: number, seconds: number) => void;
  /** Told of errors that are not ChappeErrors: bugs. */
  readonly onUnexpected: (error: unknown, method: string) => void;
}

export interface RpcServer extends AsyncDisposable {
  /** With the real port. */
  readonly address: string;
  /** What the health service answers, for `''` and every service. */
  setServing(serving: boolean): void;
  /** Not serving, no new calls, waits for running ones at most `graceMs`, then ends them. */
  close(graceMs: number): Promise<void>;
}

/** @throws ChappeError `notReady` if the address is taken or cannot be bound. */
export async function startServer(options: ServerOptions): Promise<RpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': maxFrameBytes,
    'grpc.max_send_message_length': maxFrameBytes,
    ...keepalive.server,
  });
  for (const { service, handlers } of options.implementations) {
    server.addService(
      grpcDefinition(service),
      Object.fromEntries(
        service.methods.map((method) => [method.localName, wrap(method, handlers[method.localName], options)]),
      ),
    );
  }
  const services = options.implementations.map(({ service }) => service);
  const health = new HealthImplementation();
  health.addToServer(server);
  new ReflectionService(reflectionPackage(services)).addToServer(server);
  const setServing = (serving: boolean): void => {
    for (const name of ['', ...services.map((service) => service.typeName)]) {
      health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
    }
  };
  setServing(false);

  const port = await bind(server, options);
  const close = async (graceMs: number): Promise<void> => {
    setServing(false);
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
    clearTimeout(timer);
  };
  return {
    address: options.address.startsWith('unix:') ? options.address : options.address.replace(/:\d+$/, `:${port}`),
    setServing,
    close,
    [Symbol.asyncDispose]: () => close(5_000),
  };
}

function bind(server: Server, options: ServerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(options.address, options.credentials ?? ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else {
        const detail = `cannot listen on ${options.address}: ${error.message}. Is another process using it? Choose another address`;
        reject(new ChappeError('notReady', detail, { cause: error }));
      }
    });
  });
}

/** The file descriptors of the services and all they import, in the form that @grpc/reflection reads. */
function reflectionPackage(services: readonly DescService[]): ConstructorParameters<typeof ReflectionService>[0] {
  const files = new Map<string, Buffer>();
  const visit = (file: DescService['file']): void => {
    if (files.has(file.name)) return;
    files.set(file.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
    file.dependencies.forEach(visit);
  };
  for (const service of services) visit(service.file);
  return {
    chappe: { format: 'Protocol Buffer 3 DescriptorProto', type: {}, fileDescriptorProtos: [...files.values()] },
  };
}

// The handlers' types were checked by `implement`; from here on grpc-js is untyped.
function wrap(method: DescMethod, handler: unknown, options: ServerOptions): UntypedHandleCall {
  const handle = handler as (...parameters: unknown[]) => unknown;
  const handled = (startedAt: number, code: number): void =>
    options.onHandled?.(method.parent.typeName, method.name, code, (performance.now() - startedAt) / 1000);
  const refuse = (error: unknown): ReturnType<typeof toStatus> => {
    if (!(error instanceof ChappeError)) options.onUnexpected(error, `${method.parent.typeName}/${method.name}`);
    return toStatus(toChappeError(error));
  };

  switch (method.methodKind) {
    case 'unary':
      return (call: ServerUnaryCall<object, object>, callback: (error: object | null, response?: object) => void) => {
        const startedAt = performance.now();
        Promise.try(() => handle(decoded(call.request), contextOf(call))).then(
          (response) => {
            handled(startedAt, 0);
            callback(null, response as object);
          },
          (error: unknown) => {
            const status = refuse(error);
            handled(startedAt, status.code);
            callback(status);
          },
        );
      };
    case 'server_streaming':
      return (call: ServerWritableStream<object, object>) => {
        void finish(call, async () => {
          for await (const response of handle(decoded(call.request), contextOf(call)) as AsyncIterable<object>) {
            if (call.cancelled) return;
            await writeRespectingFlow(call, response);
          }
        });
      };
    case 'client_streaming':
      throw new Error(`${method.name}: client streaming is not used; make it bidirectional`);
    case 'bidi_streaming':
      return (call: ServerDuplexStream<object, object>) => {
        void finish(call, () =>
          Promise.resolve(
            handle({
              ...contextOf(call),
              requests: decodedRequests(call),
              send: (response: object) => writeRespectingFlow(call, response),
            }) as Promise<void>,
          ),
        );
      };
  }

  async function finish(
    call: ServerWritableStream<object, object> | ServerDuplexStream<object, object>,
    run: () => Promise<void>,
  ): Promise<void> {
    const startedAt = performance.now();
    call.on('error', () => {
      // The caller is gone; `signal` and `requests` tell the handler.
    });
    try {
      await run();
      handled(startedAt, 0);
      call.end();
    } catch (error) {
      if (call.cancelled) {
        handled(startedAt, 1);
        call.end();
        return;
      }
      const status = refuse(error);
      handled(startedAt, status.code);
      call.emit('error', status);
    }
  }
}

interface IncomingCall {
  readonly metadata: Metadata;
  readonly cancelled: boolean;
  on(event: 'cancelled', listener: () => void): unknown;
}

function contextOf(call: IncomingCall): CallContext {
  const [authorization] = call.metadata.get('authorization');
  const bearer = typeof authorization === 'string' ? authorization.replace(/^Bearer /i, '') : '';
  const controller = new AbortController();
  if (call.cancelled) controller.abort();
  call.on('cancelled', () => controller.abort());
  return { bearer, signal: controller.signal };
}

function decoded(request: object): object {
  if (!(request instanceof UndecodableRequest)) return request;
  throw new ChappeError('invalidRequest', `the request is not a message of the method's type: ${request.reason}`);
}

async function* decodedRequests(call: ServerDuplexStream<object, object>): AsyncIterable<object> {
  try {
    // A handler that stops reading still has a status to send: the call must not be destroyed.
    for await (const request of call.iterator({ destroyOnReturn: false })) yield decoded(request as object);
  } catch (error) {
    // A cancelled call ends its requests; what is left is the handler's to finish.
    if (!call.cancelled) throw error;
  }
}
