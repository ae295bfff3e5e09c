/** The leader's side of the journal: lines that go along with what they tell, and an end to old ones. */
import type { Coordination, Operation } from '@chappe/coordination/coordination';
import { journalLinesMax, journalPrefix, journalPut } from '@chappe/ranges/journal';
import type { Leadership } from './leadership.ts';
import { deletesPerTransaction, journalTrimEvery } from './limits.ts';

export class Journal {
  readonly #now: () => number;
  #no = 0;

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now;
  }

  line(text: string): Operation {
    this.#no += 1;
    return journalPut({ timeMs: this.#now(), text }, this.#no);
  }

  /** Deletes the oldest lines, now and then. */
  async trim(coordination: Coordination, leadership: Leadership): Promise<void> {
    if (this.#no < journalTrimEvery) return;
    this.#no = 0;
    const { entries } = await coordination.list(journalPrefix);
    const old = entries.slice(0, Math.max(0, entries.length - journalLinesMax));
    for (let from = 0; from < old.length; from += deletesPerTransaction) {
      const deletes = old.slice(from, from + deletesPerTransaction);
      await coordination.transact(
        [leadership.compare],
        deletes.map(({ key }) => ({ kind: 'delete', key })),
      );
    }
  }
}
