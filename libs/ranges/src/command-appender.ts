/**
 * Hands commands to the log, in order: the producer's side of ORDER (docs/protocols.md, 4 and 5).
 *
 * One lane for each range: a FIFO with at most one append in flight; what gathers meanwhile goes
 * together. Nothing passes an unresolved batch. When a range is replaced, its lane is retired:
 * while it holds anything, commands of its contacts still queue behind it, and what the sealed
 * topic refused goes to the new ranges in the order in which it came.
 */
import { LogError } from '@chappe/log/log-error';
import type { AppendResult, Log, NewRecord } from '@chappe/log/log';
import { ChappeError } from '@chappe/errors/chappe-error';
import { inInterval, type PhoneNumber } from '@chappe/numbers/phone-number';
import { setTimeout as sleep } from 'node:timers/promises';
import { Lane, type Appended, type Entry } from './lane.ts';
import { appenderLimits, type AppenderLimits } from './limits.ts';
import { isAppendable, type Range } from './range.ts';
import type { RangeLoad } from './shard-info.ts';
import type { RoutingTable } from './routing-table.ts';
import type { TableWatcher } from './table-watcher.ts';

export type { Appended };

export interface CommandAppenderDependencies {
  readonly log: Pick<Log, 'append'>;
  readonly table: TableWatcher;
  readonly limits?: Partial<AppenderLimits>;
  /** Told how long the appends of a range waited because its topic was sealed: until they could go on. */
  readonly onHeld?: (rangeId: string, ms: number) => void;
}

export class CommandAppender implements AsyncDisposable {
  readonly #log: Pick<Log, 'append'>;
  readonly #watcher: TableWatcher;
  readonly #limits: AppenderLimits;
  readonly #onHeld: ((rangeId: string, ms: number) => void) | undefined;
  /** Of appendable ranges, by range id. */
  readonly #lanes = new Map<string, Lane>();
  /** Of replaced ranges, until they are empty. A contact has records in one lane at a time. */
  readonly #retired = new Set<Lane>();
  readonly #subscription: Disposable;
  #table: RoutingTable | undefined;
  #ending = false;

  constructor(dependencies: CommandAppenderDependencies) {
    this.#log = dependencies.log;
    this.#watcher = dependencies.table;
    this.#limits = { ...appenderLimits, ...dependencies.limits };
    this.#onHeld = dependencies.onHeld;
    this.#subscription = this.#watcher.onChange(() => this.#adopt());
    this.#adopt();
  }

  /**
   * Appends a command to the range of its contact. Calls for one contact are appended in call
   * order. Refused means: not accepted; the same record may be appended again.
   *
   * @param business whose command it is: refused while that business has more than its share of what waits in the
   *   range. Absent: a person's or a process's, which nobody else's share keeps out.
   * @throws ChappeError `rangeUnavailable`, `overloaded`, `invalidRequest` (too large), `notReady`
   */
  append(contact: PhoneNumber, record: NewRecord, business?: string): Promise<Appended> {
    if (this.#ending) return Promise.reject(new ChappeError('notReady', 'the process is stopping'));
    if (record.value.length > this.#limits.batchBytesMax) {
      const detail = `a command of ${record.value.length} bytes; at most ${this.#limits.batchBytesMax} fit`;
      return Promise.reject(new ChappeError('invalidRequest', detail));
    }
    this.#adopt();
    const lane = this.#laneOf(contact);
    if (lane === undefined) return Promise.reject(unavailable('the routing table is not known yet'));
    if (lane.isFull || this.lagOf(lane.range) > this.#limits.lagRecordsMax) {
      const detail = `range ${lane.range.id} is too far behind; nothing was accepted`;
      return Promise.reject(new ChappeError('overloaded', detail, { retryAfterMs: 1_000 }));
    }
    if (business !== undefined && this.#reportOf(lane.range)?.aboveShare?.includes(business) === true) {
      const detail = `range ${lane.range.id} is behind with what this business sent; nothing was accepted`;
      return Promise.reject(new ChappeError('overloaded', detail, { retryAfterMs: 1_000 }));
    }
    const { promise, resolve, reject } = Promise.withResolvers<Appended>();
    this.#enqueue(lane, { contact, record, resolve, reject });
    return promise;
  }

  /**
   * What this process knows to be appended and not yet done, in records: its own last offset
   * against the owner's last report. 0 where one of the two is not known: reports stand still while coordination
   * is away, and that stops nothing.
   */
  lagOf(range: Range): number {
    const lastOffset = this.#lanes.get(range.id)?.lastOffset;
    const { nextOffset, doneBeyond = 0 } = this.#reportOf(range) ?? {};
    if (lastOffset === undefined || nextOffset === undefined) return 0;
    return Math.max(0, lastOffset + 1 - nextOffset - doneBeyond);
  }

  /** What the owner said of the range last. Undefined: nothing, or so long ago that it says nothing any more. */
  #reportOf({ id, owner }: Range): RangeLoad | undefined {
    if (owner === undefined || this.#watcher.shardsAgeMs() > this.#limits.reportAgeMsMax) return undefined;
    return this.#watcher.shards().get(owner)?.load[id];
  }

  /** Commands that wait or are in flight, over all ranges. */
  pending(): number {
    return [...this.#lanes.values(), ...this.#retired].reduce((sum, lane) => sum + lane.pending, 0);
  }

  /** Takes nothing more and waits until what it has is appended or refused. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    for (;;) {
      const working = [...this.#lanes.values(), ...this.#retired]
        .map(({ work }) => work)
        .filter((work) => work !== undefined);
      if (working.length === 0) break;
      await Promise.all(working);
    }
    this.#subscription[Symbol.dispose]();
  }

  /** Takes the newest table before anything is routed by it, and retires lanes of replaced ranges. */
  #adopt(): void {
    const table = this.#watcher.current();
    if (table === undefined || table === this.#table) return;
    this.#table = table;
    for (const [id, lane] of this.#lanes) {
      const range = table.byId(id);
      if (range !== undefined && isAppendable(range)) {
        // Owner and epoch may be new; bounds and topic never change under one id.
        lane.range = range;
        continue;
      }
      this.#lanes.delete(id);
      lane.retired = true;
      lane.wake();
      if (lane.pending > 0) this.#retired.add(lane);
    }
  }

  #laneOf(contact: PhoneNumber): Lane | undefined {
    for (const lane of this.#retired) {
      if (inInterval(contact, lane.range.start, lane.range.end)) return lane;
    }
    const range = this.#table?.find(contact);
    if (range === undefined) return undefined;
    const known = this.#lanes.get(range.id);
    if (known !== undefined) return known;
    const lane = new Lane(range, this.#limits);
    this.#lanes.set(range.id, lane);
    return lane;
  }

  #enqueue(lane: Lane, entry: Entry): void {
    lane.push(entry);
    // A microtask later, so that what one turn hands over goes together.
    lane.work ??= Promise.resolve()
      .then(() => this.#work(lane))
      .catch((error: unknown) => {
        lane.work = undefined;
        this.#retired.delete(lane);
        lane.refuseAll(error);
      });
  }

  async #work(lane: Lane): Promise<void> {
    while (lane.pending > 0) {
      if (lane.retired) break;
      await this.#appendBatch(lane);
    }
    // From here to the end nothing is awaited: nobody can queue behind a lane that is being emptied.
    lane.work = undefined;
    this.#retired.delete(lane);
    for (const entry of lane.takeAll()) {
      const next = this.#laneOf(entry.contact);
      if (next === undefined) entry.reject(unavailable('the routing table is not known yet'));
      else this.#enqueue(next, entry);
    }
  }

  /** Leaves the batch appended, refused, or (in a retired lane) back at the head of its lane. */
  async #appendBatch(lane: Lane): Promise<void> {
    const batch = lane.startBatch();
    const records = batch.map(({ record }) => record);
    let sealedSinceMs: number | undefined;
    let awaySinceMs: number | undefined;
    for (;;) {
      const result = await this.#try(lane.range.topic, records);
      if (result.kind === 'appended') {
        if (sealedSinceMs !== undefined) this.#onHeld?.(lane.range.id, performance.now() - sealedSinceMs);
        lane.appended(result.firstOffset, result.appendTimeMs);
        return;
      }
      const nowMs = performance.now();
      switch (result.error.kind) {
        case 'sealed':
        case 'no_topic':
          // Nothing was written and the topic takes nothing more: it is being replaced.
          sealedSinceMs ??= nowMs;
          if (lane.retired) {
            this.#onHeld?.(lane.range.id, nowMs - sealedSinceMs);
            lane.takeBack();
            return;
          }
          awaySinceMs = undefined;
          if (nowMs - sealedSinceMs >= this.#limits.newerTableMs) {
            lane.refuseAll(unavailable(`range ${lane.range.id} is being replaced and no newer routing table came`));
            return;
          }
          // Or the broker has just come back and does not know the topic yet.
          await lane.retiredOrAfter(this.#limits.repeatMs);
          break;
        case 'unavailable':
          // Nothing is known: only the same batch again keeps the order; readers drop repeats.
          awaySinceMs ??= nowMs;
          if (nowMs - awaySinceMs >= this.#limits.unavailableMs) {
            const problem = `the log of range ${lane.range.id} does not answer`;
            // What was asked for may have been done; what waited surely was not.
            lane.refuseBatch(doubtful(problem));
            lane.refuseAll(unavailable(problem));
            return;
          }
          await sleep(this.#limits.repeatMs);
          break;
        case 'gap':
        case 'invalid':
          lane.refuseBatch(result.error);
          return;
      }
    }
  }

  async #try(topic: string, records: readonly NewRecord[]): Promise<AppendResult> {
    try {
      const [result] = await this.#log.append([{ topic, records }]);
      if (result !== undefined) return result;
      return { kind: 'failed', error: new LogError('invalid', 'the log gave no result for an append') };
    } catch (error) {
      if (error instanceof LogError) return { kind: 'failed', error };
      throw error;
    }
  }
}

function doubtful(problem: string): ChappeError {
  const detail = `${problem}; it is not known whether this was accepted. Repeat it with the same idempotency key`;
  return new ChappeError('rangeUnavailable', detail, { retryAfterMs: 1_000 });
}

function unavailable(problem: string): ChappeError {
  return new ChappeError('rangeUnavailable', `${problem}; nothing was accepted`, { retryAfterMs: 1_000 });
}
