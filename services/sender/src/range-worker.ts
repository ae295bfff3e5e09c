/**
 * The worker of one range: the only writer of its contacts' state while its claim stands.
 *
 * It takes turns. A turn gathers what devices said and a batch of commands, has crypto decrypt
 * what came in, decides, has crypto encrypt what goes out, and commits all of it in one
 * transaction through the fence. Only then are envelopes pushed, acknowledgements confirmed and
 * events published. A turn that cannot be finished is made again from the same commands; nothing
 * of it has left. The worker stops for good when it is fenced, and with an alarm when log or
 * store contradict what it committed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Log, LogReader } from '@chappe/log/log';
import { LogError } from '@chappe/log/log-error';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { CryptoService } from '@chappe/proto/internal/crypto_service';
import type { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import type { DeviceRef } from '@chappe/proto/internal/sender_service';
import type { Range } from '@chappe/ranges/range';
import type { PriceBooks } from '@chappe/rating/price-book';
import type { Client } from '@chappe/rpc/client';
import { StoreError, type Store } from '@chappe/store/store';
import type { Logger } from '@chappe/telemetry/telemetry';
import { Attachments } from './attachments.ts';
import { Changes } from './changes.ts';
import { closeRange } from './close-range.ts';
import { ContactCache } from './contact-cache.ts';
import { loadContacts } from './contact-store.ts';
import { ContactSample } from './contact-sample.ts';
import { cutBatch } from './cut-batch.ts';
import { countBeyond, withDone } from './done-beyond.ts';
import { refuseDeviceWork, type DeviceSink, type DeviceWork } from './device-work.ts';
import type { SenderEvents } from './events.ts';
import { commitThroughFence, resolveUnknown, type Advance, type Outcome, type Progress } from './fence.ts';
import {
  acknowledgementsGatherMs,
  batchBytesMax,
  batchRecordsMax,
  clockAlarmMs,
  clockWaitMs,
  idRetentionMs,
  pendingDeviceWorkMax,
  readAheadRecordsMax,
  recordsGatherMs,
  restMsMax,
  retryMs,
  sharedTurnMs,
  sharedTurnRecordsMin,
} from './limits.ts';
import { LogClock } from './log-clock.ts';
import { timeOrEvent } from './time-or-event.ts';
import { OutboxPublisher } from './outbox-publisher.ts';
import { prepareTurn, type Turn } from './prepare-turn.ts';
import { ReadAhead } from './read-ahead.ts';
import type { ReadableCommand } from './read-commands.ts';
import type { ContactState } from './state.ts';
import { deletePublished, forgetIds, prepareRows, writeRows } from './write-changes.ts';

export interface RangeWorkerDependencies {
  readonly log: Log;
  readonly store: Store;
  readonly crypto: Client<typeof CryptoService>;
  readonly preKeys: Client<typeof PreKeyService>;
  /** The price books that are published now. */
  readonly books: () => PriceBooks;
  readonly events: SenderEvents;
  readonly logger: Logger;
  readonly eventBuckets: number;
  /** Its share of what the shard keeps of contacts in memory. */
  readonly cacheBytesMax: () => number;
  /** Its share of what the shard reads ahead. */
  readonly readAheadBytesMax: () => number;
  /** Other bounds than those of `limits.ts`. */
  readonly limits?: Partial<WorkerLimits>;
  /** Milliseconds since 1970; for receipts and alarms only, never for decisions on commands. */
  readonly now: () => number;
}

export interface WorkerLimits {
  readonly batchRecordsMax: number;
  readonly readAheadRecordsMax: number;
}

/** What contradicts what was committed: the store lost commits, the topic cannot be read on, the range was closed under its owner. */
export type AlarmCause = 'rolled_back' | 'log' | 'closed';

/** Why a worker ended. */
export type WorkerEnd =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'fenced'; readonly epoch: number }
  /** It was replaced and is worked off for good. */
  | { readonly kind: 'drained' }
  /** A person must look: log and store do not fit together. It is not taken again under this epoch. */
  | { readonly kind: 'alarm'; readonly cause: AlarmCause; readonly reason: string }
  /** A fault of its own: it is taken again after a while. */
  | { readonly kind: 'failed'; readonly reason: string };

/** After so long without anything else to commit, what was published is saved. */
const idleSaveMs = 1_000;

export class RangeWorker {
  readonly range: Range;
  readonly #dependencies: RangeWorkerDependencies;
  readonly #stopping = new AbortController();
  readonly #cache: ContactCache;
  readonly #attachments: Attachments;
  readonly #publisher: OutboxPublisher;
  readonly #clock: LogClock;
  readonly #sample = new ContactSample();
  #clocksAreApart = false;
  #progress: Progress;
  readonly #ahead: ReadAhead;
  readonly #batchRecordsMax: number;
  #done = 0;
  /** How long a command took in the last turn that had any, with all that is done once in a turn. */
  #commandMs = 0;
  #deviceWork: DeviceWork[] = [];
  #wake = Promise.withResolvers<void>();
  #room = Promise.withResolvers<void>();
  #advanced = Promise.withResolvers<void>();
  #problem: string | undefined;
  #readProblem: string | undefined;
  #alarm: string | undefined;
  #forgets = false;
  /** Where its topic was sealed, once it is replaced: what lies beyond is not its own. */
  #drainTo: number | undefined;
  #isInTurn = false;
  #hasEnded = false;
  #gatherUntilMs = 0;
  #restUntilMs = 0;
  #ended: Promise<WorkerEnd> | undefined;

  constructor(range: Range, progress: Progress, dependencies: RangeWorkerDependencies) {
    this.range = range;
    this.#progress = progress;
    this.#dependencies = dependencies;
    this.#cache = new ContactCache(dependencies.cacheBytesMax);
    const { limits = {}, readAheadBytesMax } = dependencies;
    this.#batchRecordsMax = limits.batchRecordsMax ?? batchRecordsMax;
    const recordsMax = limits.readAheadRecordsMax ?? readAheadRecordsMax;
    this.#ahead = new ReadAhead(progress, { recordsMax, bytesMax: readAheadBytesMax });
    const { store, log, logger } = dependencies;
    this.#clock = new LogClock(dependencies.now);
    this.#attachments = new Attachments({
      store,
      pushing: { range: range.id, epoch: progress.epoch },
      onProblem: (error) => logger.warn({ range: range.id, err: error }, 'a mailbox could not be read'),
      onAcknowledged: (afterMs) => dependencies.events.acknowledged(afterMs),
    });
    this.#publisher = new OutboxPublisher({
      rangeId: range.id,
      log,
      publishedNo: progress.publishedNo,
      onPublished: () => this.#wake.resolve(),
    });
  }

  get epoch(): number {
    return this.#progress.epoch;
  }

  /** The lowest record that is not done. */
  get nextOffset(): number {
    return this.#progress.nextOffset;
  }

  /** How many records behind it are done. */
  get doneBeyond(): number {
    return countBeyond(this.#progress);
  }

  /** Commands that it has done. */
  get done(): number {
    return this.#done;
  }

  /** Commands that were read and are not done. */
  get readAhead(): number {
    return this.#ahead.size;
  }

  /** Businesses that have more than their share of what can be read ahead, those with the most first. */
  get aboveShare(): readonly string[] {
    return this.#ahead.aboveShare();
  }

  /** Half of its commands are of numbers below; undefined: it has done too few to say. */
  get median(): string | undefined {
    return this.#sample.median();
  }

  get attachedDevices(): number {
    return this.#attachments.size;
  }

  /** The append time of the oldest command that was read and is not done; undefined: there is none. */
  get oldestAppendTimeMs(): number | undefined {
    return this.#ahead.oldestAppendTimeMs;
  }

  /** Why it does not get on now; it tries again by itself. */
  get problem(): string | undefined {
    return this.#problem ?? this.#readProblem ?? this.#publisher.problem ?? this.#clockProblem();
  }

  /** The time, for what is not decided by append times: never later than the log's clock can be. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** Starts to work; resolves when it has ended, for whatever reason. */
  run(reader: LogReader): Promise<WorkerEnd> {
    this.#ended ??= this.#run(reader);
    return this.#ended;
  }

  /** Finishes the turn in hand, publishes what it committed, and ends. */
  async stop(): Promise<void> {
    this.#end();
    await this.#ended;
  }

  /**
   * Takes what a device said; waits when too much is waiting already. A worker that has ended refuses it,
   * as it does everything that it took and did not get to.
   */
  async takeDeviceWork(work: DeviceWork): Promise<void> {
    while (this.#deviceWork.length >= pendingDeviceWorkMax && !this.#stopping.signal.aborted) await this.#room.promise;
    if (this.#hasEnded) {
      refuseDeviceWork(work);
      return;
    }
    if (this.#deviceWork.length === 0) this.#gatherUntilMs = performance.now() + acknowledgementsGatherMs;
    this.#deviceWork.push(work);
    this.#wake.resolve();
  }

  /** The range was replaced: works off what lies before the offset at which its topic was sealed, and closes it. */
  drain(sealedAt: number): void {
    if (this.#drainTo !== undefined) return;
    this.#drainTo = sealedAt;
    this.#ahead.endAt(sealedAt);
    this.#wake.resolve();
  }

  /** A relay's stream is gone, and its devices with it. */
  async detachAll(sink: DeviceSink): Promise<void> {
    for (const device of this.#attachments.ofSink(sink)) await this.#detach(device, sink);
  }

  /** With the next transaction, deletes what is older than any repeat can be. */
  forgetOldIds(): void {
    this.#forgets = true;
    this.#wake.resolve();
  }

  /** Whether every command of a contact below an offset is done. */
  hasDone(contact: PhoneNumber, offset: number): boolean {
    return this.#ahead.isDone(contact, offset);
  }

  /** Resolves when every command of a contact below an offset is done, or the worker has ended. */
  async reached(contact: PhoneNumber, offset: number, signal: AbortSignal): Promise<void> {
    while (!this.hasDone(contact, offset) && !this.#stopping.signal.aborted && !signal.aborted) {
      const cancelled = Promise.withResolvers<void>();
      const abort = (): void => cancelled.resolve();
      signal.addEventListener('abort', abort, { once: true });
      await Promise.race([this.#advanced.promise, cancelled.promise]);
      signal.removeEventListener('abort', abort);
    }
  }

  /** A contact as it is committed. Read only: nothing may change it. */
  async contact(number: PhoneNumber): Promise<ContactState | undefined> {
    const [state] = await loadContacts(this.#dependencies.store, [number], this.#progress.incarnation);
    return state;
  }

  /** In its turn: an attachment that is still waiting comes before. */
  async #detach(device: DeviceRef, sink: DeviceSink): Promise<void> {
    await this.takeDeviceWork({ kind: 'detach', device, sink });
  }

  /** Whoever waits for something in here looks again. */
  #end(): void {
    this.#stopping.abort();
    this.#wake.resolve();
    this.#advanced.resolve();
  }

  async #run(reader: LogReader): Promise<WorkerEnd> {
    const { logger } = this.#dependencies;
    const { id } = this.range;
    let end: WorkerEnd;
    try {
      await this.#republishOutbox();
      const feeding = this.#feed(reader);
      end = await this.#takeTurns();
      this.#end();
      await feeding;
    } catch (error) {
      if (error instanceof StoreError && this.#stopping.signal.aborted) {
        // The store did not answer before it was to stop: whoever takes the range next reads what was committed.
        end = { kind: 'stopped' };
      } else {
        // Not an outcome that a turn may have: state in memory is not to be trusted any more.
        logger.error({ range: id, err: error }, 'the range worker failed');
        end = { kind: 'failed', reason: error instanceof Error ? error.message : 'unknown' };
      }
    }
    this.#end();
    this.#room.resolve();
    this.#hasEnded = true;
    this.#attachments.refuseAll();
    for (const work of this.#deviceWork.splice(0)) refuseDeviceWork(work);
    await this.#publisher[Symbol.asyncDispose]();
    await reader[Symbol.asyncDispose]();
    return end;
  }

  /** What a former owner committed and perhaps did not publish comes first. */
  async #republishOutbox(): Promise<void> {
    const rows = await this.#untilAnswered(() =>
      this.#dependencies.store.query(
        'SELECT event_no, bucket, frame FROM outbox WHERE range_id = ? AND event_no > ? ORDER BY event_no',
        [this.range.id, this.#progress.publishedNo],
      ),
    );
    this.#publisher.enqueue(
      rows.map((row) => {
        const frame = row['frame'];
        if (!(frame instanceof Uint8Array)) throw new Error('an outbox row has no frame');
        return { eventNo: Number(row['event_no']), bucket: Number(row['bucket']), frame };
      }),
    );
  }

  /** Reads ahead of the turns. */
  async #feed(reader: LogReader): Promise<void> {
    const { signal } = this.#stopping;
    let waitMs: number = retryMs.first;
    while (!signal.aborted) {
      const { room } = this.#ahead;
      if (room === 0) {
        await this.#advanced.promise;
        continue;
      }
      try {
        if (this.#readProblem !== undefined) {
          // Nothing may come for a long time: whether all is well again is asked, not waited for.
          await this.#dependencies.log.end(this.range.topic);
          this.#readProblem = undefined;
        }
        const askedAtMs = performance.now();
        const maxRecords = Math.min(room, batchRecordsMax);
        const records = await reader.read({ maxRecords, maxBytes: batchBytesMax }, signal);
        waitMs = retryMs.first;
        const [first] = records;
        if (first === undefined) continue;
        this.#clock.sawRecord(first.appendTimeMs, askedAtMs);
        this.#ahead.add(records);
        this.#wake.resolve();
        // Where so much came at once there is more: the others are behind it.
        if (this.#ahead.size >= this.#batchRecordsMax) continue;
        await this.#gatherRecords(this.#isInTurn ? recordsGatherMs : this.#restUntilMs - performance.now());
      } catch (error) {
        if (!(error instanceof LogError) || error.kind !== 'unavailable') {
          this.#alarm = `the range topic cannot be read: ${error instanceof Error ? error.message : 'unknown'}`;
          this.#wake.resolve();
          return;
        }
        this.#readProblem = `the range topic cannot be read: ${error.message}`;
        await sleep(waitMs, undefined, { signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
    }
  }

  /** Nobody takes what comes during a turn or a rest: one request then brings what has gathered. */
  async #gatherRecords(ms: number): Promise<void> {
    if (ms > 0) await timeOrEvent(ms, this.#advanced.promise);
  }

  async #takeTurns(): Promise<WorkerEnd> {
    const { signal } = this.#stopping;
    let waitMs: number = retryMs.first;
    while (!signal.aborted) {
      if (this.#alarm !== undefined) return { kind: 'alarm', cause: 'log', reason: this.#alarm };
      const isDone = this.#drainTo !== undefined && this.#progress.nextOffset >= this.#drainTo;
      if (!(await (isDone ? this.#isPublished() : this.#hasWork()))) continue;
      const startedAt = performance.now();
      this.#isInTurn = true;
      const outcome = isDone ? await this.#close() : await this.#turn();
      this.#isInTurn = false;
      if (isDone && outcome.kind === 'committed') return { kind: 'drained' };
      switch (outcome.kind) {
        case 'committed': {
          waitMs = retryMs.first;
          const endedAt = performance.now();
          this.#restUntilMs = endedAt + Math.min(endedAt - startedAt, restMsMax);
          break;
        }
        case 'refused':
          await sleep(waitMs, undefined, { signal }).catch(() => undefined);
          waitMs = Math.min(waitMs * 2, retryMs.longest);
          break;
        case 'fenced':
          return { kind: 'fenced', epoch: outcome.epoch };
        case 'rolled_back':
          return { kind: 'alarm', cause: 'rolled_back', reason: 'the store is older than what was committed to it' };
        case 'drained':
          return { kind: 'alarm', cause: 'closed', reason: 'the range was closed while it was owned' };
        case 'unknown':
          throw new Error('an unknown outcome was not resolved');
      }
    }
    return { kind: 'stopped' };
  }

  /** What was committed before leaves before the range is closed; false: look again. */
  async #isPublished(): Promise<boolean> {
    this.#wake = Promise.withResolvers<void>();
    if (this.#publisher.isEmpty) return true;
    await this.#wake.promise;
    return false;
  }

  async #close(): Promise<Outcome> {
    const held = this.#progress;
    const outcome = await closeRange(this.#dependencies.store, this.range.id, held);
    if (outcome.kind === 'refused') this.#giveBack([], new Map(), outcome.error);
    return outcome.kind === 'unknown' ? this.#resolveUnknown(held) : outcome;
  }

  /** Waits until there is something to do; false: look again. */
  async #hasWork(): Promise<boolean> {
    // Renewed before anything is looked at: what comes from here on ends the wait.
    this.#wake = Promise.withResolvers<void>();
    const { hasNext, unknown, newestAppendTimeMs } = this.#ahead;
    if (!hasNext && unknown !== undefined) {
      this.#problem = `${unknown.reason} cannot be read: upgrade the senders`;
      // What devices say goes on.
      if (this.#publisher.hasRoom && this.#deviceWork.length > 0) return true;
    } else if (hasNext && newestAppendTimeMs - this.#dependencies.now() > clockWaitMs) {
      this.#watchClock(newestAppendTimeMs);
      this.#problem =
        "the log's append times are over 10 min ahead of this sender's clock: it waits; set the clocks of brokers and sender";
    } else if (this.#publisher.hasRoom && (hasNext || this.#forgets)) {
      return this.#rested();
    } else if (this.#publisher.hasRoom && this.#deviceWork.length > 0) {
      return this.#gathered();
    } else if (this.#publisher.isEmpty && this.#publisher.publishedNo > this.#progress.publishedNo) {
      return timeOrEvent(idleSaveMs, this.#wake.promise);
    }
    if ((!hasNext && unknown !== undefined) || this.#problem !== undefined) {
      await timeOrEvent(retryMs.longest, this.#wake.promise);
    } else {
      await this.#wake.promise;
    }
    return false;
  }

  /**
   * After a turn commands gather for as long again as it took, unless they fill a batch already: where turns
   * follow each other, half as many do the same work. Who comes after a pause does not wait.
   */
  #rested(): Promise<boolean> | true {
    if (this.#ahead.size >= this.#batchRecordsMax) return true;
    return this.#untilWoken(this.#restUntilMs);
  }

  /**
   * Nobody waits for an acknowledgement but the receipt that it makes: without commands it waits a
   * little for company, so that a commit serves many. A device that attaches does not wait.
   */
  #gathered(): Promise<boolean> | true {
    if (this.#deviceWork.length >= batchRecordsMax || this.#deviceWork.at(-1)?.kind === 'attach') return true;
    return this.#untilWoken(this.#gatherUntilMs);
  }

  /** True: the time has come. False: something woke the worker before. */
  #untilWoken(timeMs: number): Promise<boolean> | true {
    const leftMs = timeMs - performance.now();
    return leftMs <= 0 || timeOrEvent(leftMs, this.#wake.promise);
  }

  /** One turn. What it took is given back unless it commits. */
  async #turn(): Promise<Outcome> {
    const { events } = this.#dependencies;
    const startedAt = performance.now();
    const deviceWork = this.#deviceWork.splice(0, batchRecordsMax);
    // What is read while contacts are loaded belongs to the next turn.
    const next = this.#ahead.look(this.#countMax());
    let states: Map<string, ContactState>;
    try {
      states = await this.#load(next, deviceWork);
    } catch (error) {
      return this.#giveBack(deviceWork, new Map(), error);
    }
    const count = cutBatch(next, (contact) => states.get(contact));
    // Kept as they take turns: envelopes leave in that order.
    const commands = next.slice(0, count);
    this.#watchClock(highestOf(commands)?.record.appendTimeMs);
    const changes = new Changes({
      incarnation: this.#progress.incarnation,
      eventBuckets: this.#dependencies.eventBuckets,
    });
    let turn: Turn;
    try {
      turn = await prepareTurn(this.#dependencies, {
        range: this.range,
        incarnation: this.#progress.incarnation,
        lastTimeMs: this.#progress.lastTimeMs,
        receivedMs: Math.max(this.nowMs(), this.#progress.lastTimeMs),
        attachments: this.#attachments,
        commands,
        deviceWork,
        states,
        changes,
        detachLater: (device, sink) => void this.#detach(device, sink),
      });
    } catch (error) {
      return this.#giveBack(deviceWork, states, error);
    }
    const preparedAt = performance.now();
    const outcome = await this.#commit(commands, changes);
    if (outcome.kind !== 'committed') {
      if (outcome.kind === 'refused') return this.#giveBack(deviceWork, states, outcome.error);
      this.#deviceWork.unshift(...deviceWork);
      return outcome;
    }
    this.#progress = outcome.progress;
    this.#problem = undefined;
    this.#ahead.done(commands.length, outcome.progress.nextOffset);
    this.#done += commands.length;
    for (const command of commands) this.#sample.add(command.record.key);
    for (const state of states.values()) this.#cache.set(state);
    this.#room.resolve();
    this.#room = Promise.withResolvers<void>();
    this.#advanced.resolve();
    this.#advanced = Promise.withResolvers<void>();
    // Committed: now, and only now, it may leave.
    this.#attachments.pushCommitted(changes.envelopes);
    turn.committed();
    for (const [contact, device] of changes.removedDevices) this.#attachments.remove(contact, device);
    // Devices that were attached in this turn hear of it as well.
    this.#attachments.tell(changes.outcomes);
    const endedAt = performance.now();
    if (commands.length > 0) this.#commandMs = (endedAt - startedAt) / commands.length;
    events.turnCommitted(this.range.id, commands.length, changes, {
      prepareMs: preparedAt - startedAt,
      commitMs: endedAt - preparedAt,
    });
    return outcome;
  }

  /**
   * Whoever comes waits for the turn in hand: where several businesses have commands waiting, it is a short one. Else
   * nobody gains by it, and large batches cost less.
   */
  #countMax(): number {
    if (this.#ahead.businesses < 2) return this.#batchRecordsMax;
    const count = Math.floor(sharedTurnMs / Math.max(this.#commandMs, 0.001));
    return Math.min(this.#batchRecordsMax, Math.max(sharedTurnRecordsMin, count));
  }

  async #load(
    commands: readonly ReadableCommand[],
    deviceWork: readonly DeviceWork[],
  ): Promise<Map<string, ContactState>> {
    const wanted = new Set<string>(deviceWork.map(({ device }) => device.contact));
    for (const command of commands)
      if (command.kind === 'command' || command.kind === 'poison') wanted.add(command.contact);
    const states = new Map<string, ContactState>();
    const missing: PhoneNumber[] = [];
    for (const contact of wanted) {
      const cached = this.#cache.get(contact);
      if (cached === undefined) missing.push(contact as PhoneNumber);
      else states.set(contact, cached);
    }
    const { incarnation } = this.#progress;
    for (const state of await loadContacts(this.#dependencies.store, missing, incarnation))
      states.set(state.number, state);
    return states;
  }

  async #commit(commands: readonly ReadableCommand[], changes: Changes): Promise<Outcome> {
    const { store } = this.#dependencies;
    const held = this.#progress;
    const last = highestOf(commands);
    const highest = last === undefined || last.record.offset < held.lastOffset ? undefined : last;
    const frames = changes.events.frames(this.range.id, held.epoch, held.eventNo);
    const publishedNo = this.#publisher.publishedNo;
    const { nextOffset, doneBeyond } = withDone(
      held,
      commands.map(({ record }) => record.offset),
    );
    const hasMoved = nextOffset > held.nextOffset;
    const advance: Advance = {
      nextOffset,
      doneBeyond,
      eventNo: frames.at(-1)?.eventNo ?? held.eventNo,
      publishedNo,
      lastOffset: highest?.record.offset ?? held.lastOffset,
      lastId: highest?.record.headers.id ?? held.lastId,
      lastTimeMs: highest?.timeMs ?? held.lastTimeMs,
      floorTimeMs: hasMoved ? this.#ahead.timeBelow(nextOffset) : held.floorTimeMs,
    };
    const rows = prepareRows(changes, this.range, frames);
    const forgets = this.#forgets;
    const outcome = await commitThroughFence(store, this.range.id, held, advance, async (tx) => {
      const published = deletePublished(tx, this.range.id, held.publishedNo, publishedNo);
      const forgotten = forgets ? forgetIds(tx, this.range, this.nowMs() - idRetentionMs) : undefined;
      await Promise.all([published, forgotten, writeRows(tx, rows)]);
    });
    const known = outcome.kind === 'unknown' ? await this.#resolveUnknown(held) : outcome;
    if (known.kind !== 'committed') return known;
    if (forgets) this.#forgets = false;
    this.#publisher.enqueue(frames);
    return known;
  }

  /** Nothing may be done before it is known what was. */
  #resolveUnknown(held: Progress): Promise<Outcome> {
    return this.#untilAnswered(() => resolveUnknown(this.#dependencies.store, this.range.id, held));
  }

  /** Asks until the store answers. @throws StoreError when the worker is to stop */
  async #untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    let waitMs: number = retryMs.first;
    for (;;) {
      try {
        const answer = await ask();
        this.#problem = undefined;
        return answer;
      } catch (error) {
        if (!(error instanceof StoreError) || this.#stopping.signal.aborted) throw error;
        this.#problem = error.message;
        this.#dependencies.events.turnRefused(this.range.id, error);
        await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
    }
  }

  /** Nothing of the turn has left; its contacts in memory are not what is committed. */
  #giveBack(deviceWork: readonly DeviceWork[], states: ReadonlyMap<string, ContactState>, error: unknown): Outcome {
    for (const contact of states.keys()) this.#cache.delete(contact);
    this.#deviceWork.unshift(...deviceWork);
    this.#problem = error instanceof Error ? error.message : 'unknown';
    this.#dependencies.events.turnRefused(this.range.id, error);
    return { kind: 'refused', error: error instanceof Error ? error : new Error('unknown') };
  }

  #watchClock(appendTimeMs: number | undefined): void {
    if (appendTimeMs === undefined) return;
    const aheadMs = appendTimeMs - this.#dependencies.now();
    const behindMs = this.#clock.ownAheadMs();
    const wereApart = this.#clocksAreApart;
    this.#clocksAreApart = Math.max(aheadMs, behindMs) > clockAlarmMs;
    // Said once, however long it lasts.
    if (!this.#clocksAreApart || wereApart) return;
    this.#dependencies.events.clocksApart(this.range.id, aheadMs > clockAlarmMs ? aheadMs : -behindMs);
  }

  /** Nothing is decided by this clock, so the range goes on. */
  #clockProblem(): string | undefined {
    if (this.#clock.ownAheadMs() <= clockWaitMs) return undefined;
    return "this sender's clock is over 10 min ahead of the log's append times: set the clocks of brokers and sender";
  }
}

function highestOf(commands: readonly ReadableCommand[]): ReadableCommand | undefined {
  let highest = commands[0];
  for (const command of commands) if (command.record.offset > (highest?.record.offset ?? -1)) highest = command;
  return highest;
}
