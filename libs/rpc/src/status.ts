/** ChappeError on the one side, gRPC status with the trailer `chappe-error-bin` on the other. */
import { create } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { ErrorSchema, Retry, type Error as WireError } from '@chappe/proto/v1/errors';
import { errorNameOf, GrpcStatus, type ErrorName, type Retry as RetryName } from '@chappe/errors/catalogue';
import { ChappeError } from '@chappe/errors/chappe-error';
import { Metadata, type ServiceError, type StatusObject } from '@grpc/grpc-js';

const trailer = 'chappe-error-bin';

const retryOnWire: Record<RetryName, Retry> = { never: Retry.NEVER, same: Retry.SAME, redirect: Retry.REDIRECT };

export function toWireError(error: ChappeError): WireError {
  const { code, title, retry } = error.entry;
  return create(ErrorSchema, {
    code,
    title,
    detail: error.message,
    retry: retryOnWire[retry],
    retryAfterMs: error.retryAfterMs ?? 0,
  });
}

export function fromWireError(wire: WireError): ChappeError {
  const options = wire.retryAfterMs > 0 ? { retryAfterMs: wire.retryAfterMs } : {};
  return new ChappeError(errorNameOf(wire.code), wire.detail, options);
}

export function toStatus(error: ChappeError): StatusObject {
  const metadata = new Metadata();
  metadata.set(trailer, Buffer.from(encodeMessage(ErrorSchema, toWireError(error))));
  return { code: error.entry.grpc, details: `${error.entry.code} ${error.entry.title}: ${error.message}`, metadata };
}

/** What a failed call means; statuses that gRPC itself made have no trailer. */
export function fromServiceError(error: unknown): ChappeError {
  if (error instanceof ChappeError) return error;
  if (!isServiceError(error)) return new ChappeError('internal', 'the call failed', { cause: error });
  const [bytes] = error.metadata.get(trailer);
  if (bytes !== undefined && typeof bytes !== 'string') return fromWireError(decodeMessage(ErrorSchema, bytes));
  return new ChappeError(reasonOfStatus(error.code), error.details || error.message, { cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error && error.metadata instanceof Metadata;
}

function reasonOfStatus(status: number): ErrorName {
  switch (status) {
    case GrpcStatus.unavailable:
    case GrpcStatus.deadlineExceeded:
    case 1: // CANCELLED
      return 'notReady';
    case GrpcStatus.unauthenticated:
      return 'unauthenticated';
    case GrpcStatus.resourceExhausted:
    case GrpcStatus.invalidArgument:
    case 12: // UNIMPLEMENTED
      return 'invalidRequest';
    default:
      return 'internal';
  }
}
