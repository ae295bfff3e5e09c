/** One protobuf-es service descriptor as one grpc-js service definition. */
import type { DescService } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import type { ServiceDefinition } from '@grpc/grpc-js';

/** A request that is not a message of the method's type; the handler's wrapper refuses it. */
export class UndecodableRequest {
  readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }
}

export function grpcDefinition(service: DescService): ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
        responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
        requestSerialize: (value: object) => encodeMessage(method.input, value as Record<string, unknown>),
        requestDeserialize: (bytes: Buffer) => {
          try {
            return decodeMessage(method.input, bytes);
          } catch (error) {
            return new UndecodableRequest(error instanceof Error ? error.message : 'unknown');
          }
        },
        responseSerialize: (value: object) => encodeMessage(method.output, value as Record<string, unknown>),
        responseDeserialize: (bytes: Buffer) => decodeMessage(method.output, bytes),
      },
    ]),
  );
}
