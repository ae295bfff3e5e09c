/** One protobuf-es service descriptor as one grpc-js service definition. */
import { create, fromBinary, toBinary, type DescMessage, type DescService, type Message } from '@bufbuild/protobuf';
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
        requestSerialize: (value: object) => encode(method.input, value),
        requestDeserialize: (bytes: Buffer) => {
          try {
            return fromBinary(method.input, bytes);
          } catch (error) {
            return new UndecodableRequest(error instanceof Error ? error.message : 'unknown');
          }
        },
        responseSerialize: (value: object) => encode(method.output, value),
        responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
      },
    ]),
  );
}

/** Encodes a message, or the plain object that one is made from. */
function encode(schema: DescMessage, value: object): Buffer {
  const message = '$typeName' in value ? (value as Message) : create(schema, value as Record<string, unknown>);
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
