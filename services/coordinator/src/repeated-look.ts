/** Work that is done again and again from the state as it is, until it is ended: woken, or after a while; later after a failure. */
import { setTimeout as sleep } from 'node:timers/promises';
import { retryMs } from './limits.ts';

export interface RepeatedLook extends AsyncDisposable {
  /** The next look is due now. */
  wake(): void;
}

/**
 * @param look returns after how many ms the next one is due if nothing wakes it
 * @param onFailed told of each failure; the look is repeated, less and less often
 */
export function lookRepeatedly(look: () => Promise<number>, onFailed: (error: unknown) => void): RepeatedLook {
  const stopping = new AbortController();
  let due = Promise.withResolvers<void>();
  const run = async (): Promise<void> => {
    let waitMs: number = retryMs.first;
    while (!stopping.signal.aborted) {
      due = Promise.withResolvers<void>();
      try {
        const nextMs = await look();
        waitMs = retryMs.first;
        await Promise.race([due.promise, sleep(nextMs, undefined, { ref: false })]);
      } catch (error) {
        onFailed(error);
        await sleep(waitMs, undefined, { signal: stopping.signal, ref: false }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
    }
  };
  const running = run();
  return {
    wake: () => due.resolve(),
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      due.resolve();
      await running;
    },
  };
}
