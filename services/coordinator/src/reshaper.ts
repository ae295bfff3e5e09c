/**
 * Brings reshapes forward, one step after the other: the loop of whoever leads, beside that which gives ranges to
 * shards, as sealing a topic waits for brokers and a dead shard must not wait for that.
 *
 * What is next is said by `reshape-steps.ts`; here it is done. Every step can be done again: what it does to the log
 * is idempotent, and what it writes compares the leadership, the record and the ranges as they were read.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Compare, Coordination, KeyValue, Operation } from '@chappe/coordination/coordination';
import type { Log } from '@chappe/log/log';
import { LogError } from '@chappe/log/log-error';
import { parseRange, putRange, rangePrefix, topicOf, type Range } from '@chappe/ranges/range';
import { formatLeftover, leftoverPrefix, parseLeftover } from '@chappe/ranges/leftover';
import { formatReshape, isEnded, parseReshape, reshapePrefix, type Reshape } from '@chappe/ranges/reshape';
import { parseShardInfo, shardPrefix } from '@chappe/ranges/shard-info';
import { parseStore, storePrefix } from '@chappe/ranges/store-info';
import type { OpenStore } from '@chappe/ranges/stores';
import { StoreError } from '@chappe/store/store';
import type { CoordinatorEvents } from './events.ts';
import type { Journal } from './journal.ts';
import { moveLateRecords } from './late-records.ts';
import type { Leadership } from './leadership.ts';
import { lateRecordsLookMs, lookIntervalMs, reshapesAtOnceMax, retryMs } from './limits.ts';
import { lookRepeatedly, type RepeatedLook } from './repeated-look.ts';
import { nextAction, opened, settled, type ClusterView, type ReshapeAction } from './reshape-steps.ts';

export interface ReshaperDependencies {
  readonly coordination: Coordination;
  readonly log: Log;
  readonly openStore: OpenStore;
  readonly events: CoordinatorEvents;
  readonly journal: Journal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The highest number of a range's id that was ever given: ids and topics are never used again. */
const rangeNoKey = 'range-no';

/** What whoever looks at a reshape is told while the log does not do what its next step needs. */
const waitsForLog: Partial<Record<ReshapeAction['kind'], string>> = {
  prepare: 'its new topics are not made yet',
  seal: 'its topics are not sealed yet',
  settle: 'where its topics end is not known yet',
  undo: 'its new topics are not deleted yet',
  delete: 'its old topics are not deleted yet',
};

/** What one look found. */
interface Found extends ClusterView {
  readonly entries: ReadonlyMap<string, KeyValue>;
}

export class Reshaper implements AsyncDisposable {
  readonly #dependencies: ReshaperDependencies;
  readonly #leadership: Leadership;
  readonly #stopping = new AbortController();
  /** By reshape: what is being done. */
  readonly #running = new Map<string, Promise<void>>();
  /** Reshapes whose store could not be reached: when they are tried again. Others go on meanwhile. */
  readonly #notBeforeMs = new Map<string, number>();
  #lateLookAtMs = 0;
  readonly #looks: RepeatedLook;

  constructor(dependencies: ReshaperDependencies, leadership: Leadership) {
    this.#dependencies = dependencies;
    this.#leadership = leadership;
    const look = async (): Promise<number> => {
      await this.#look();
      return lookIntervalMs;
    };
    this.#looks = lookRepeatedly(look, (error) => dependencies.events.failed(error));
  }

  /** Something changed in coordination. */
  wake(): void {
    this.#looks.wake();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#looks[Symbol.asyncDispose]();
    await Promise.all(this.#running.values());
  }

  /** Begins the next step of every reshape that has none going on. */
  async #look(): Promise<void> {
    if (this.#leadership.lost.aborted) return;
    const found = await this.#read();
    if (found === undefined) return;
    // Of two wishes for one range the second sees what the first has made of it.
    let isBeginning = found.reshapes.some(({ id, step }) => step === 'requested' && this.#running.has(id));
    // Brokers seal one after the other anyway: side by side, appends would wait for all of them.
    let isHolding = found.reshapes.some(({ id, step }) => step === 'sealing' && this.#running.has(id));
    for (const reshape of found.reshapes) {
      if (this.#running.has(reshape.id)) continue;
      if (performance.now() < (this.#notBeforeMs.get(reshape.id) ?? 0) && reshape.isCancelled !== true) continue;
      const action = nextAction(reshape, found);
      if (action.kind === 'wait') continue;
      // One that has begun goes on whatever else there is: it may hold appends.
      if (reshape.step === 'requested' && (isBeginning || this.#running.size >= reshapesAtOnceMax)) continue;
      if (action.kind === 'seal' && isHolding) continue;
      const done = this.#act(reshape, action, found).finally(() => {
        this.#running.delete(reshape.id);
        this.#looks.wake();
      });
      this.#running.set(reshape.id, done);
      isBeginning ||= reshape.step === 'requested';
      isHolding ||= action.kind === 'seal';
    }
    if (performance.now() < this.#lateLookAtMs) return;
    this.#lateLookAtMs = performance.now() + lateRecordsLookMs;
    for (const reshape of found.reshapes) if (reshape.step === 'active') await this.#moveLateRecords(reshape, found);
  }

  /** Undefined: there are no reshapes. */
  async #read(): Promise<Found | undefined> {
    const { coordination, now } = this.#dependencies;
    const records = (await coordination.list(reshapePrefix)).entries;
    if (records.length === 0) return undefined;
    const [{ entries: ranges }, { entries: shardEntries }, storeList, leftoverList] = await Promise.all([
      coordination.list(rangePrefix),
      coordination.list(shardPrefix),
      coordination.list(storePrefix),
      coordination.list(leftoverPrefix),
    ]);
    const shards = shardEntries.map(({ value }) => parseShardInfo(value));
    const parsed = ranges.map(({ value }) => parseRange(value));
    const stores = storeList.entries.map(({ value }) => parseStore(value));
    return {
      reshapes: records.map(({ value }) => parseReshape(value)).toSorted((a, b) => a.sinceMs - b.sinceMs),
      ranges: new Map(parsed.map((range) => [range.id, range])),
      shards: new Map(shards.map((shard) => [shard.id, shard])),
      stores: new Map(stores.map((store) => [store.id, store])),
      leftovers: leftoverList.entries.map(({ value }) => parseLeftover(value)),
      nowMs: now(),
      entries: new Map([...records, ...ranges].map((entry) => [entry.key, entry])),
    };
  }

  async #act(reshape: Reshape, action: ReshapeAction, found: Found): Promise<void> {
    const { log, events, journal } = this.#dependencies;
    const name = `${reshape.id} of ${reshape.old.join(' and ')}`;
    try {
      switch (action.kind) {
        case 'refuse':
          await this.#step(reshape, { step: 'refused', problem: action.problem }, found, [
            journal.line(`reshape ${name} refused: ${action.problem}`),
          ]);
          return;
        case 'prepare':
          await this.#prepare(reshape, action.old, action.cuts, found);
          return;
        case 'begin':
          if (await this.#isStoreThere(reshape, found)) await this.#step(reshape, { step: 'sealing' }, found);
          return;
        case 'seal':
          await this.#sealAndOpen(reshape, action.old, found);
          return;
        case 'settle':
          await this.#settle(reshape, action.old);
          return;
        case 'undo':
          for (const id of reshape.made) await log.deleteTopic(topicOf(id));
          await this.#step(reshape, { step: 'undone', problem: action.problem }, found, [
            journal.line(`reshape ${name} taken back: ${action.problem}`),
          ]);
          return;
        case 'activate':
          await this.#activate(reshape, action.made, action.close, found);
          return;
        case 'delete':
          await this.#delete(reshape, found);
          return;
        case 'forget':
          await this.#write(
            [this.#compareRecord(reshape, found)],
            [{ kind: 'delete', key: reshapePrefix + reshape.id }],
          );
          return;
        case 'wait':
          return;
      }
    } catch (error) {
      events.failed(error);
      const waits = waitsForLog[action.kind];
      if (waits !== undefined && error instanceof LogError) {
        const problem = `${waits}: ${error.message}`;
        if (reshape.problem !== problem)
          await this.#step(reshape, { problem }, found).catch((again: unknown) => events.failed(again));
      }
      await sleep(retryMs.longest, undefined, { signal: this.#stopping.signal, ref: false }).catch(() => undefined);
    }
  }

  async #prepare(reshape: Reshape, old: readonly Range[], cuts: readonly string[], found: Found): Promise<void> {
    const { coordination, log } = this.#dependencies;
    const entry = await coordination.get(rangeNoKey);
    const known = entry === undefined ? highestNo(found.ranges.keys()) : Number(entry.value);
    const made = [...cuts, ''].map((_, index) => `r${known + 1 + index}`);
    // Before anybody hears of them. Were it to end here, the next one would make the same.
    await Promise.all(made.map((id) => log.createTopic(topicOf(id))));
    const compare: Compare =
      entry === undefined ? { key: rangeNoKey, absent: true } : { key: rangeNoKey, modRevision: entry.modRevision };
    await this.#step(
      reshape,
      { step: 'prepared', old: old.map(({ id }) => id), cuts, made },
      found,
      [{ kind: 'put', key: rangeNoKey, value: String(known + made.length) }],
      [compare, ...old.map((range) => compareRange(range, found))],
    );
  }

  /**
   * Producers of the old ranges wait from here to its end, so it asks for as little as it can: the record and the
   * ranges are read anew only if they are not as they were. A successor seals again.
   */
  async #sealAndOpen(reshape: Reshape, old: readonly Range[], found: Found): Promise<void> {
    const { coordination, log, now } = this.#dependencies;
    const startedMs = now();
    const [generation] = await Promise.all([coordination.get('generation'), log.seal(old.map(({ topic }) => topic))]);
    let [current, known, seen] = [reshape, generation, found];
    while (!(await this.#open(current, known, seen, startedMs))) {
      const again = await this.#read();
      const next = again?.reshapes.find(({ id }) => id === reshape.id);
      if (this.#leadership.lost.aborted || again === undefined || next === undefined) return;
      if (nextAction(next, again).kind !== 'seal') return;
      [current, known, seen] = [next, await coordination.get('generation'), again];
    }
  }

  /** @returns whether all was as it was read */
  async #open(reshape: Reshape, generation: KeyValue | undefined, found: Found, startedMs: number): Promise<boolean> {
    if (generation === undefined) throw new Error('there is no generation of the routing table');
    const { old, made } = opened(
      reshape,
      reshape.old.flatMap((id) => found.ranges.get(id) ?? []),
      found.stores,
    );
    const cut = reshape.cuts?.length === 0 ? 'merged' : `cut at ${reshape.cuts?.join(', ')}`;
    const what = reshape.store === undefined ? cut : `moved to store ${reshape.store}`;
    return this.#step(
      reshape,
      { step: 'open' },
      found,
      [
        ...[...old, ...made].map(putRange),
        { kind: 'put', key: 'generation', value: String(Number(generation.value) + 1) },
        this.#dependencies.journal.line(
          `${reshape.old.join(' and ')} ${what} into ${reshape.made.join(' and ')}: ${reshape.reason}`,
        ),
      ],
      [
        ...old.map((range) => compareRange(range, found)),
        ...made.map(({ id }): Compare => ({ key: rangePrefix + id, absent: true })),
        { key: 'generation', modRevision: generation.modRevision },
      ],
      startedMs,
    );
  }

  /** Nobody waits for it but the new ranges, which nobody reads before the old ones are drained. */
  async #settle(reshape: Reshape, old: readonly Range[]): Promise<void> {
    const { log } = this.#dependencies;
    const known = await Promise.all(old.map(async ({ id, topic }) => [id, await log.sealedEnd(topic)] as const));
    const ends = Object.fromEntries(known);
    // Owners may have changed meanwhile.
    const found = await this.#read();
    const current = found?.reshapes.find(({ id }) => id === reshape.id);
    if (found === undefined || current === undefined) return;
    const action = nextAction(current, found);
    if (action.kind !== 'settle') return;
    await this.#step(
      current,
      { ends },
      found,
      settled(action.old, ends).map(putRange),
      action.old.map((range) => compareRange(range, found)),
    );
  }

  async #activate(reshape: Reshape, made: readonly Range[], close: readonly Range[], found: Found): Promise<void> {
    const ranges = [...made, ...close];
    const compares = ranges.map((range) => compareRange(range, found));
    if (close.length > 0) {
      await this.#step(reshape, { step: 'active' }, found, ranges.map(putRange), compares);
      return;
    }
    await this.#write([this.#compareRecord(reshape, found), ...compares], ranges.map(putRange));
  }

  async #delete(reshape: Reshape, found: Found): Promise<void> {
    await this.#moveLateRecords(reshape, found);
    for (const id of reshape.old) await this.#dependencies.log.deleteTopic(topicOf(id));
    const deletes = reshape.old.map((id): Operation => ({ kind: 'delete', key: rangePrefix + id }));
    await this.#write(
      [this.#compareRecord(reshape, found)],
      [...deletes, ...leftBehind(reshape, found), { kind: 'delete', key: reshapePrefix + reshape.id }],
    );
  }

  /** Before anything is sealed: messages would wait for a store that nobody reaches. Until then it can be taken back. */
  async #isStoreThere(reshape: Reshape, found: Found): Promise<boolean> {
    const store = found.stores.get(reshape.store ?? '');
    if (store === undefined) return true;
    try {
      await using reached = await this.#dependencies.openStore(store, store);
      await reached.query('SELECT 1');
      if (reshape.problem === undefined) return true;
      await this.#step(reshape, {}, found);
      return false;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      if (reshape.problem !== error.message) await this.#step(reshape, { problem: error.message }, found);
      this.#notBeforeMs.set(reshape.id, performance.now() + retryMs.longest);
      return false;
    }
  }

  /** What lies beyond a seal goes to the new ranges, with an alarm: nobody should have been able to append it. */
  async #moveLateRecords(reshape: Reshape, found: Found): Promise<void> {
    const { log, events } = this.#dependencies;
    for (const [id, end] of Object.entries(reshape.ends)) {
      const moved = await moveLateRecords(log, topicOf(id), end, found.ranges);
      if (moved === 0) continue;
      events.lateRecords(id, moved);
      await this.#step(reshape, { ends: { ...reshape.ends, [id]: end + moved } }, found);
      // The record is another one now: what is left is seen at the next look.
      return;
    }
  }

  #compareRecord({ id }: Reshape, { entries }: Found): Compare {
    return { key: reshapePrefix + id, modRevision: entries.get(reshapePrefix + id)?.modRevision ?? 0 };
  }

  /**
   * Writes the record with a change; a problem that the change does not name is over. Nothing happens if anything is
   * not as it was read: the next look sees it.
   *
   * @param startedMs when the step began, if it had to wait for its turn first
   */
  async #step(
    reshape: Reshape,
    change: Partial<Reshape>,
    found: Found,
    operations: readonly Operation[] = [],
    compares: readonly Compare[] = [],
    startedMs = reshape.sinceMs,
  ): Promise<boolean> {
    const { events, now } = this.#dependencies;
    const { problem: _over, ...going } = reshape;
    const next: Reshape = { ...going, ...change, ...(change.step === undefined ? {} : { sinceMs: now() }) };
    const put: Operation = { kind: 'put', key: reshapePrefix + reshape.id, value: formatReshape(next) };
    const isWritten = await this.#write([this.#compareRecord(reshape, found), ...compares], [put, ...operations]);
    if (isWritten && change.step !== undefined) events.reshaped(next, next.sinceMs - startedMs);
    if (isWritten && isEnded(next))
      await this.#dependencies.journal.trim(this.#dependencies.coordination, this.#leadership);
    return isWritten;
  }

  async #write(compares: readonly Compare[], operations: readonly Operation[]): Promise<boolean> {
    const { coordination } = this.#dependencies;
    const { succeeded } = await coordination.transact([this.#leadership.compare, ...compares], operations);
    return succeeded;
  }
}

function compareRange({ id }: Range, { entries }: Found): Compare {
  return { key: rangePrefix + id, modRevision: entries.get(rangePrefix + id)?.modRevision ?? 0 };
}

function highestNo(ids: Iterable<string>): number {
  return Math.max(0, ...[...ids].map((id) => Number(/^r(\d+)$/.exec(id)?.[1] ?? 0)));
}

/** The rows of ranges that went to another store. */
function leftBehind(reshape: Reshape, { ranges }: Found): Operation[] {
  if (reshape.store === undefined) return [];
  return reshape.old.flatMap((id): Operation[] => {
    const range = ranges.get(id);
    if (range === undefined) return [];
    const { start, end, store } = range;
    return [{ kind: 'put', key: leftoverPrefix + id, value: formatLeftover({ range: id, start, end, store }) }];
  });
}
