/** What callers hear while coordination is away. */
import { CoordinationError } from '@chappe/coordination/coordination';
import { ChappeError } from '@chappe/errors/chappe-error';

/** @throws ChappeError `notReady` while coordination is away */
export async function answeringOutages<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof CoordinationError)) throw error;
    throw new ChappeError('notReady', 'coordination does not answer', { cause: error });
  }
}
