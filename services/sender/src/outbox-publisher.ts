/**
 * Publishes a range's event frames: in order, one request in flight, never past one that was not
 * acknowledged. What was published is saved with the worker's next transaction; after a takeover
 * the rows above `publishedNo` are published again, and consumers drop the repeats.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { eventTopic } from '@chappe/event-consumer/bucket';
import { appendBytesMax } from '@chappe/log/limits';
import type { Append, Log } from '@chappe/log/log';
import type { OutboxFrame } from './event-writer.ts';
import { outboxFramesMax, retryMs } from './limits.ts';

export interface OutboxPublisherOptions {
  readonly rangeId: string;
  readonly log: Pick<Log, 'append'>;
  readonly publishedNo: number;
  /** Told whenever something was published: there is room again, and something to save. */
  readonly onPublished: () => void;
}

export class OutboxPublisher implements AsyncDisposable {
  readonly #options: OutboxPublisherOptions;
  readonly #stopping = new AbortController();
  #queue: OutboxFrame[] = [];
  #publishedNo: number;
  #problem: string | undefined;
  #running: Promise<void> | undefined;

  constructor(options: OutboxPublisherOptions) {
    this.#options = options;
    this.#publishedNo = options.publishedNo;
  }

  /** Every frame up to here is in the log. */
  get publishedNo(): number {
    return this.#publishedNo;
  }

  /** False: the worker takes nothing new until frames are published. */
  get hasRoom(): boolean {
    return this.#queue.length < outboxFramesMax;
  }

  get isEmpty(): boolean {
    return this.#queue.length === 0;
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  enqueue(frames: readonly OutboxFrame[]): void {
    if (frames.length === 0) return;
    this.#queue.push(...frames);
    this.#running ??= this.#run().finally(() => (this.#running = undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let waitMs: number = retryMs.first;
    while (this.#queue.length > 0 && !this.#stopping.signal.aborted) {
      const done = await this.#publishSome();
      if (done > 0) {
        this.#publishedNo = this.#queue[done - 1]?.eventNo ?? this.#publishedNo;
        this.#queue = this.#queue.slice(done);
        this.#options.onPublished();
        waitMs = retryMs.first;
      } else {
        await sleep(waitMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
    }
  }

  /** Appends frames from the front, a topic each; how many of them are in the log. */
  async #publishSome(): Promise<number> {
    const frames = this.#front();
    const byBucket = Map.groupBy(frames, ({ bucket }) => bucket);
    const appends = [...byBucket].map(([bucket, list]) => this.#append(bucket, list));
    const results = await this.#options.log.append(appends);
    const failed = new Set<number>();
    this.#problem = undefined;
    for (const [index, bucket] of [...byBucket.keys()].entries()) {
      const result = results[index];
      if (result?.kind === 'appended') continue;
      failed.add(bucket);
      this.#problem = `events are not published: ${result?.error.message ?? 'no answer'}`;
    }
    // Frames of other buckets behind a failed one were appended and will be again: repeats.
    const firstFailed = frames.findIndex(({ bucket }) => failed.has(bucket));
    return firstFailed < 0 ? frames.length : firstFailed;
  }

  /** What one append takes. Frames gather while a topic cannot be written to, and more than that is refused for good. */
  #front(): OutboxFrame[] {
    let [count, bytes] = [0, 0];
    for (const { frame } of this.#queue) {
      bytes += frame.length;
      if (count > 0 && bytes > appendBytesMax) break;
      count += 1;
    }
    return this.#queue.slice(0, count);
  }

  #append(bucket: number, frames: readonly OutboxFrame[]): Append {
    const { rangeId } = this.#options;
    return {
      topic: eventTopic(bucket),
      records: frames.map(({ eventNo, frame }) => ({
        key: rangeId,
        headers: { kind: 'event_frame', id: `${rangeId}/${eventNo}`, version: 1 },
        value: frame,
      })),
    };
  }
}
