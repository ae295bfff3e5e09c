/**
 * What the errors of `etcd3` and gRPC mean to the port.
 *
 * The message names the endpoint and what to do; it holds no keys and no values.
 */
import { EtcdInvalidAuthTokenError, EtcdLeaseInvalidError } from 'etcd3';
import { CoordinationError } from './coordination.ts';

export function asCoordinationError(error: unknown, endpoint: string): CoordinationError {
  if (error instanceof CoordinationError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const cause = { cause: error };
  if (error instanceof EtcdLeaseInvalidError || /lease not found/.test(message)) {
    return new CoordinationError('lease_lost', 'the lease is gone: take a new one', cause);
  }
  if (/too many operations|duplicate key given|request is too large|larger than max/.test(message)) {
    return new CoordinationError('invalid', `etcd refuses the request: ${message}`, cause);
  }
  return new CoordinationError('unavailable', `etcd at ${endpoint}: ${advice(message)}`, cause);
}

/** Tokens end after minutes, and with a restart of their member: whoever holds one asks for another. */
export function isTokenError(error: unknown): boolean {
  return (
    error instanceof EtcdInvalidAuthTokenError || (error instanceof Error && /invalid auth token/.test(error.message))
  );
}

function advice(message: string): string {
  if (/database space exceeded/.test(message)) {
    return 'its disk quota is used up: compact and defragment it, then disarm the alarm NOSPACE';
  }
  if (/permission denied/.test(message)) return 'the user lacks the role to read and write the keys of this cluster';
  if (/authentication failed/.test(message)) return 'the user name or the password is wrong';
  if (/user name is empty|user name not found/.test(message)) return 'it wants a user name and a password';
  const refused = /connect \w+ [\w.:[\]]+|Failed to connect/.exec(message)?.[0];
  return refused === undefined ? message : `nobody answers there (${refused})`;
}
