/** What a failed call tells about its server. */
import { GrpcStatus } from '@chappe/errors/catalogue';
import type { ServiceError } from '@grpc/grpc-js';

/** As grpc-js writes it (load-balancer-pick-first.ts), and we of a server that could not be reached in time. */
export const noConnection = 'No connection established';

export function codeOf(error: unknown): number {
  return error instanceof Error && 'code' in error ? (error as ServiceError).code : GrpcStatus.internal;
}

/** grpc-js says so in words only; with other words nothing is repeated. */
export function hasNotLeft(error: unknown): boolean {
  return (
    codeOf(error) === GrpcStatus.unavailable &&
    /^(\w+: )?No connection established/.test((error as ServiceError).details)
  );
}
