/** What a failed store means for a caller. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { StoreError } from '@chappe/store/store';

/** Runs `work`; what the store refuses becomes `storeUnavailable`. A wrong statement stays what it is: a bug. */
export async function answeringStoreErrors<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asCallerSees(error);
  }
}

export function asCallerSees(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  switch (error.kind) {
    case 'refused':
    case 'unavailable':
    case 'unknown':
      return new ChappeError(
        'storeUnavailable',
        'the database does not answer, is full or is busy; nothing was accepted',
        {
          cause: error,
          retryAfterMs: 1_000,
        },
      );
    case 'conflict':
    case 'invalid':
      return error;
  }
}
