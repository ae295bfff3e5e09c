/**
 * What waits in the ranges of a shard, for metrics: commands behind the log's end, and commands that are held. It is
 * looked for now and then; a look that fails says nothing, as the workers say themselves what they cannot reach.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '@chappe/log/log';
import type { Stores } from '@chappe/ranges/stores';
import { backlogLookMs, backlogLooksAtOnce } from './limits.ts';
import type { RangeWorker } from './range-worker.ts';

export interface BacklogWatchOptions {
  readonly log: Pick<Log, 'end'>;
  readonly stores: Stores;
  /** Those that run now, by range. */
  readonly workers: () => ReadonlyMap<string, Pick<RangeWorker, 'range' | 'nextOffset' | 'doneBeyond'>>;
}

interface Seen {
  readonly end: number;
  readonly held: number;
}

export class BacklogWatch implements AsyncDisposable {
  readonly #options: BacklogWatchOptions;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;
  #seen: ReadonlyMap<string, Seen> | undefined;

  constructor(options: BacklogWatchOptions) {
    this.#options = options;
    this.#running = this.#run();
  }

  /** Commands that were in the log at the last look and are not done now; undefined before the first look. */
  get lagCommands(): number | undefined {
    return this.#sum(({ end }, { nextOffset, doneBeyond }) => Math.max(0, end - nextOffset - doneBeyond));
  }

  /** Where a range's log ended at the last look; undefined: it was not looked at. */
  endOf(rangeId: string): number | undefined {
    return this.#seen?.get(rangeId)?.end;
  }

  /** Commands that wait until a person has looked, and those behind them. */
  get heldCommands(): number | undefined {
    return this.#sum(({ held }) => held);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  #sum(of: (seen: Seen, worker: Pick<RangeWorker, 'nextOffset' | 'doneBeyond'>) => number): number | undefined {
    const seen = this.#seen;
    if (seen === undefined) return undefined;
    let total = 0;
    for (const [id, worker] of this.#options.workers()) {
      const ofRange = seen.get(id);
      if (ofRange !== undefined) total += of(ofRange, worker);
    }
    return total;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#seen = await this.#look();
      await sleep(backlogLookMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #look(): Promise<ReadonlyMap<string, Seen>> {
    const seen = new Map<string, Seen>();
    const workers = [...this.#options.workers()];
    for (let from = 0; from < workers.length; from += backlogLooksAtOnce) {
      const some = workers.slice(from, from + backlogLooksAtOnce);
      const looks = some.map(async ([id, { range }]) => {
        const known = await this.#lookAt(range).catch(() => this.#seen?.get(id));
        if (known !== undefined) seen.set(id, known);
      });
      await Promise.all(looks);
    }
    return seen;
  }

  async #lookAt({ topic, start, end, store: storeId }: RangeWorker['range']): Promise<Seen> {
    const { log, stores } = this.#options;
    const store = stores.of(storeId);
    const logEnd = await log.end(topic);
    const [row] = await store.query('SELECT COUNT(*) AS held FROM held_records WHERE contact >= ? AND contact < ?', [
      start,
      end,
    ]);
    return { end: logEnd, held: Number(row?.['held'] ?? 0) };
  }
}
