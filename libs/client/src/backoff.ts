/** Waiting between attempts: longer each time, up to a bound, and never in step with other clients. */
import { toChappeError, type ChappeError } from '@chappe/errors/chappe-error';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMaxMs, backoffMinMs, callAttemptsMax } from './limits.ts';

/** @param attempt from 1 @param leastMs what the server asked for */
export function backoffMs(attempt: number, leastMs = 0, random: () => number = Math.random): number {
  const stepMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(attempt - 1, 20));
  return Math.max(leastMs, stepMs / 2 + (stepMs / 2) * random());
}

/** Resolves after a while, or when aborted. */
export async function pause(waitMs: number, signal?: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, signal === undefined ? {} : { signal });
  } catch {
    // Aborted: the caller looks at the signal.
  }
}

/** Calls again while the refusal is one that passes. @throws ChappeError the last refusal */
export async function retrying<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const refusal: ChappeError = toChappeError(error);
      const isLast = attempt >= callAttemptsMax || signal?.aborted === true;
      if (refusal.entry.retry !== 'same' || isLast) throw refusal;
      await pause(backoffMs(attempt, refusal.retryAfterMs), signal);
    }
  }
}
