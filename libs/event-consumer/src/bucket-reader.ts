/**
 * Reads one bucket under a claim, and hands its frames on in transactions, until it is stopped or
 * fenced.
 *
 * A frame that cannot be decoded, a handler that fails, a log with a gap: the bucket waits,
 * repeats with a bounded back-off and says why. Nothing is skipped.
 *
 * A store that was restored from a backup has lost what was done last. The next commit finds that
 * out; where none comes, a look at the row now and then does, or nobody would do it again.
 */
import { decodeMessage } from '@chappe/codec/codec';
import type { KnownRecord, Log, LogReader, LogRecord } from '@chappe/log/log';
import { deleteDoneRecords } from '@chappe/log/delete-done';
import { LogError } from '@chappe/log/log-error';
import { EventFrameSchema, type EventFrame } from '@chappe/proto/internal/events';
import type { Store, Transaction } from '@chappe/store/store';
import { StoreError } from '@chappe/store/store';
import type { Logger } from '@chappe/telemetry/telemetry';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventTopic } from './bucket.ts';
import { advance, claimBucket, reread, standsAt, type Claim } from './event-progress.ts';
import { newFramesOf, readDoneFrames, writeDoneFrames, type DoneFrames, type NewFrames } from './new-frames.ts';
import {
  backoffMaxMs,
  backoffMinMs,
  batchBytesMax,
  batchFramesMax,
  deleteEveryMs,
  framesKeptMs,
  lookEveryMs,
} from './limits.ts';

/** @typeParam Handled what a handler makes of frames */
export interface BucketReaderOptions<Handled> {
  readonly name: string;
  readonly instance: string;
  readonly bucket: number;
  readonly log: Log;
  readonly store: Store;
  readonly logger: Logger;
  /** Called again with the same frames if its transaction did not commit. */
  readonly handle: (tx: Transaction, frames: EventFrame[]) => Promise<Handled>;
  /** How long it lets frames gather after each batch that was not full. */
  readonly gatherMs: number;
  /** Told what the handler made in the transaction that was committed. */
  readonly committed: ((handled: Handled) => void) | undefined;
}

export class BucketReader<Handled> implements AsyncDisposable {
  readonly bucket: number;
  /** How it ended. */
  readonly done: Promise<'stopped' | 'fenced'>;
  readonly #options: BucketReaderOptions<Handled>;
  readonly #stopping = new AbortController();
  /** The row does not say what was committed. */
  readonly #rolledBack = new AbortController();
  #claim: Claim | undefined;
  #reader: LogReader | undefined;
  /** Read and not known to be committed; the first is at `#nextOffset`. */
  #batch: readonly LogRecord[] = [];
  /** What of the batch is new: the same for every attempt. */
  #news: NewFrames | undefined;
  /** What the handler made of it in the last attempt. */
  #handled: { readonly value: Handled } | undefined;
  /** What was done before the batch. */
  #done: DoneFrames | undefined;
  #nextOffset = 0;
  /** The record before it: where another one stands, the log lost its tail and grew again. */
  #last: KnownRecord | undefined;
  #endOffset = 0;
  #lastAppendMs = 0;
  #deletedAtMs = 0;
  /** The last commit was lost from sight: the row says what became of it. */
  #doubtful = false;
  #problem: string | undefined = 'not claimed yet';

  constructor(options: BucketReaderOptions<Handled>) {
    this.#options = options;
    this.bucket = options.bucket;
    this.done = this.#run();
  }

  problem(): string | undefined {
    return this.#problem;
  }

  /** Frames that are in the log, as far as was looked, and not yet done. */
  lag(): number {
    return Math.max(0, this.#endOffset - this.#nextOffset);
  }

  /** The append time of the oldest frame that was read and is not done; undefined: there is none. */
  oldestAppendTimeMs(): number | undefined {
    return this.#batch[0]?.appendTimeMs;
  }

  /** Resolves when no transaction of it runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.done;
  }

  async #run(): Promise<'stopped' | 'fenced'> {
    const { signal } = this.#stopping;
    let backoffMs = backoffMinMs;
    const reading = AbortSignal.any([signal, this.#rolledBack.signal]);
    const looking = setInterval(() => void this.#look().catch(() => undefined), lookEveryMs).unref();
    try {
      while (!signal.aborted) {
        if (this.#rolledBack.signal.aborted) return 'fenced';
        try {
          if ((await this.#step(reading)) === 'fenced') return 'fenced';
          backoffMs = backoffMinMs;
          this.#problem = undefined;
          await this.#deleteOld();
          if (this.#options.gatherMs > 0 && this.lag() === 0) {
            await sleep(this.#options.gatherMs, undefined, { signal }).catch(() => undefined);
          }
        } catch (error) {
          await this.#recover(error);
          await sleep(backoffMs, undefined, { signal }).catch(() => undefined);
          backoffMs = Math.min(backoffMs * 2, backoffMaxMs);
        }
      }
      return 'stopped';
    } finally {
      clearInterval(looking);
      await this.#reader?.[Symbol.asyncDispose]();
    }
  }

  async #step(signal: AbortSignal): Promise<'committed' | 'fenced' | 'idle'> {
    const { log, store, name, instance } = this.#options;
    const topic = eventTopic(this.bucket);
    if (this.#claim === undefined) {
      await log.createTopic(topic);
      const claimed = await claimBucket(store, name, this.bucket, instance);
      this.#claim = claimed.claim;
      this.#nextOffset = claimed.nextOffset;
      this.#last = claimed.last;
    }
    this.#reader ??= await log.openReader(topic, this.#nextOffset, this.#last);
    if (this.#batch.length === 0) {
      if (this.#problem !== undefined) {
        // Nothing may come for a long time: whether all is well again is asked, not waited for.
        this.#endOffset = await log.end(topic);
        this.#problem = undefined;
      }
      this.#batch = await this.#reader.read({ maxRecords: batchFramesMax, maxBytes: batchBytesMax }, signal);
      const to = this.#nextOffset + this.#batch.length;
      this.#endOffset = this.#batch.length === batchFramesMax ? await log.end(topic) : Math.max(to, this.#endOffset);
    }
    if (this.#batch.length === 0) return 'idle';
    return this.#commit(this.#claim);
  }

  /** While nothing is in hand. A look that fails says nothing; a commit would find out as well. */
  async #look(): Promise<void> {
    const { store } = this.#options;
    const [claim, offset] = [this.#claim, this.#nextOffset];
    if (claim === undefined || this.#batch.length > 0) return;
    const found = await standsAt(store, claim);
    if (this.#batch.length === 0 && this.#nextOffset === offset && found !== offset) this.#rolledBack.abort();
  }

  async #commit(claim: Claim): Promise<'committed' | 'fenced'> {
    const { store, handle, committed } = this.#options;
    const decoded = this.#batch.map((record) => decode(record, this.bucket));
    const record = this.#batch.at(-1);
    if (record === undefined) throw new Error('there is nothing to commit');
    const last = { offset: record.offset, id: record.headers.id };
    if (this.#doubtful) {
      const reached = await reread(store, claim);
      if (reached === undefined) return 'fenced';
      this.#doubtful = false;
      if (reached === last.offset + 1) return this.#advanced(last, committed);
    }
    const outcome = await advance(store, claim, this.#nextOffset, last, async (tx) => {
      this.#done ??= await readDoneFrames(tx, claim);
      this.#news ??= newFramesOf(this.#done, decoded);
      const { frames } = this.#news;
      const [value] = await Promise.all([handle(tx, frames), writeDoneFrames(tx, claim, frames)]);
      this.#handled = { value };
    });
    return outcome === 'committed' ? this.#advanced(last, committed) : 'fenced';
  }

  #advanced(last: KnownRecord, committed: BucketReaderOptions<Handled>['committed']): 'committed' {
    this.#lastAppendMs = this.#batch.at(-1)?.appendTimeMs ?? this.#lastAppendMs;
    this.#nextOffset = last.offset + 1;
    this.#last = last;
    this.#batch = [];
    this.#done = this.#news?.done;
    this.#news = undefined;
    if (this.#handled !== undefined) committed?.(this.#handled.value);
    this.#handled = undefined;
    return 'committed';
  }

  /** Now and then, by the log's own clock: what every consumer has had its time for. */
  async #deleteOld(): Promise<void> {
    if (this.#lastAppendMs - this.#deletedAtMs < deleteEveryMs) return;
    this.#deletedAtMs = this.#lastAppendMs;
    await deleteDoneRecords(
      this.#options.log,
      eventTopic(this.bucket),
      this.#nextOffset,
      this.#lastAppendMs - framesKeptMs,
    );
  }

  /** What was read stays read; a reader that failed is opened anew at what is not done. */
  async #recover(error: unknown): Promise<void> {
    const { logger, name } = this.#options;
    const problem = error instanceof Error ? error.message : String(error);
    if (error instanceof StoreError && error.kind === 'unknown') this.#doubtful = true;
    if (error instanceof LogError && error.kind !== 'unavailable') {
      this.#batch = [];
      this.#news = undefined;
      this.#handled = undefined;
      await this.#reader?.[Symbol.asyncDispose]();
      this.#reader = undefined;
    }
    // Once, not at every repeat.
    if (this.#problem !== problem) {
      logger.warn({ event: 'bucket_waits', consumer: name, bucket: this.bucket, offset: this.#nextOffset, err: error });
    }
    this.#problem = problem;
  }
}

function decode(record: LogRecord, bucket: number): EventFrame {
  try {
    return decodeMessage(EventFrameSchema, record.value);
  } catch (error) {
    const problem = `the record at offset ${record.offset} of ${eventTopic(bucket)} is not an event frame; the bucket waits for a version that knows it`;
    throw new Error(problem, { cause: error });
  }
}
