/** Unary methods that are safe to repeat, called again by the client itself while a refusal passes. */
import type { CallOptions } from '@chappe/rpc/client';
import { defaultDeadlineMs } from '@chappe/rpc/limits';
import { retrying } from './backoff.ts';

type UnaryMethod = (request: object, options?: CallOptions) => Promise<object>;

/**
 * The same client, whose named methods are repeated. The deadline of a call is that of all its attempts.
 *
 * @param idempotent only methods of which their proto says that they are idempotent or safe to repeat
 */
export function retried<C extends object>(client: C, idempotent: readonly (keyof C & string)[]): C {
  const methods = idempotent.map((name) => [name, repeated(client[name] as UnaryMethod)] as const);
  return { ...client, ...Object.fromEntries(methods) };
}

function repeated(method: UnaryMethod): UnaryMethod {
  return (request, options = {}) => {
    const endMs = performance.now() + (options.deadlineMs ?? defaultDeadlineMs);
    // A call without time left is answered as late, and not repeated by whoever has no time.
    const attempt = (): Promise<object> =>
      method(request, { ...options, deadlineMs: Math.max(1, endMs - performance.now()) });
    const outOfTime = AbortSignal.timeout(Math.ceil(endMs - performance.now()));
    const signal = options.signal === undefined ? outOfTime : AbortSignal.any([options.signal, outOfTime]);
    return retrying(attempt, signal);
  };
}
