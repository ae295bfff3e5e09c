/**
 * A reader of one topic of the SQLite log: hands out the expected record only, and stops on a gap.
 *
 * It holds its position and nothing else; no statement stays open between two reads.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { LogError } from './log-error.ts';
import type { LogReader, LogRecord, ReadLimits } from './log.ts';

/** What the reader needs of its log. */
export interface TopicSource {
  /** The records at an offset; none if the topic ends there. */
  readonly readNow: (from: number, limits: ReadLimits) => LogRecord[];
  /** Resolves when the topic may have changed, and on abort. */
  readonly nextChange: (signal: AbortSignal) => Promise<void>;
  /** Resolves every pending `nextChange`. */
  readonly wake: () => void;
}

export class SqliteLogReader implements LogReader {
  readonly #topic: string;
  readonly #source: TopicSource;
  #next: number;
  #reading = false;
  #closed = false;

  constructor(topic: string, from: number, source: TopicSource) {
    this.#topic = topic;
    this.#next = from;
    this.#source = source;
  }

  async read(limits: ReadLimits, signal: AbortSignal): Promise<LogRecord[]> {
    if (!Number.isInteger(limits.maxRecords) || limits.maxRecords < 1 || !(limits.maxBytes >= 1)) {
      throw new LogError('invalid', 'a read allows at least one record and one byte');
    }
    if (this.#reading) throw new LogError('invalid', `a read of ${this.#topic} is under way already`);
    this.#reading = true;
    try {
      // Gives way to timers and sockets: a reader far behind would otherwise keep the event loop to itself.
      await nextTurn();
      return await this.#read(limits, signal);
    } finally {
      this.#reading = false;
    }
  }

  async #read(limits: ReadLimits, signal: AbortSignal): Promise<LogRecord[]> {
    for (;;) {
      if (signal.aborted) return [];
      if (this.#closed) throw new LogError('unavailable', `the reader of ${this.#topic} is closed`);
      const records = this.#source.readNow(this.#next, limits);
      if (records.length > 0) return this.#advance(records);
      await this.#source.nextChange(signal);
    }
  }

  #advance(records: LogRecord[]): LogRecord[] {
    for (const { offset } of records) {
      if (offset !== this.#next) {
        throw new LogError('gap', `${this.#topic} has record ${offset} where ${this.#next} is expected`);
      }
      this.#next += 1;
    }
    return records;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#source.wake();
  }
}
