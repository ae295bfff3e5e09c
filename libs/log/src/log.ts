/**
 * The port to the log: topics of one partition each, with dense offsets and append times.
 *
 * Drivers: an SQLite file (`sqlite-log.ts`), Kafka (`kafka-log.ts`). Every driver passes `conformance.ts`.
 * Offsets are integers from 0, without gaps; times are milliseconds since 1970, stamped by the
 * log itself and never decreasing within a topic. Every failure is a `LogError`, never silence.
 */
import type { LogError } from './log-error.ts';

/** Routing facts of a record, readable without its value. */
export interface RecordHeaders {
  /** What the value is, e.g. `send`. */
  readonly kind: string;
  /** The id of the message or command. */
  readonly id: string;
  /** The version of the value's form. */
  readonly version: number;
}

export interface NewRecord {
  /** The unit of ordering: a contact, or a range for event frames. */
  readonly key: string;
  readonly headers: RecordHeaders;
  readonly value: Uint8Array;
}

export interface LogRecord extends NewRecord {
  readonly offset: number;
  readonly appendTimeMs: number;
}

export interface Append {
  readonly topic: string;
  /** 1 to 10,000 records, at most 4 MiB of values. */
  readonly records: readonly NewRecord[];
}

/** What became of one `Append`: all of its records, or none that is known of. */
export type AppendResult =
  | { readonly kind: 'appended'; readonly firstOffset: number; readonly appendTimeMs: number }
  /**
   * `sealed`, `no_topic`, `invalid` (a limit is broken): nothing was written and never will be.
   * `unavailable`: nothing is known; append again (readers drop repeats by id).
   */
  | { readonly kind: 'failed'; readonly error: LogError };

export interface ReadLimits {
  readonly maxRecords: number;
  readonly maxBytes: number;
}

/** Where a record was, and the id in its headers. */
export interface KnownRecord {
  readonly offset: number;
  readonly id: string;
}

/** Where a topic lies now. An embedded log has one copy. */
export interface TopicCopies {
  readonly topic: string;
  /** Copies that there are to be. */
  readonly wanted: number;
  /** Of those, the ones that have every acknowledged record, on servers that live. */
  readonly inSync: number;
  /** In so many zones the latter lie. Servers that name no zone are all in one. */
  readonly inSyncZones: number;
}

/** Reads one topic from an offset on, in order, without gaps. */
export interface LogReader extends AsyncDisposable {
  /**
   * The next records: at least one, as soon as there is one, and no more than the limits allow
   * (a single record may exceed `maxBytes`). An empty array once `signal` is aborted.
   * One call at a time.
   *
   * @throws LogError `gap` if the next offset is not the expected one or the topic ends below
   *   it; `no_topic`; `unavailable` if the driver cannot reach the log (call again to retry) or the
   *   reader or the log is closed.
   */
  read(limits: ReadLimits, signal: AbortSignal): Promise<LogRecord[]>;
}

export interface Log extends AsyncDisposable {
  /**
   * Makes a topic. Nothing happens if it is there. Names are 1 to 249 of `a-z A-Z 0-9 . _ -`.
   *
   * @throws LogError `no_topic` if it was deleted: names are never used again; `invalid`.
   */
  createTopic(topic: string): Promise<void>;
  /** Removes a topic; its name stays taken (`no_topic` ever after). Idempotent. */
  deleteTopic(topic: string): Promise<void>;
  /**
   * Appends to several topics; never rejects. One result for each append, in order; one topic's failure does
   * not touch the others. Resolves once what is `appended` is as durable as the driver makes it.
   * Records of two calls for one topic are in call order if the first resolved before the second.
   */
  append(appends: readonly Append[]): Promise<AppendResult[]>;
  /**
   * Opens a reader at an offset (0 to the topic's end).
   *
   * @param last a record that was read before, perhaps beyond `from`: none or another one in its place means that the
   *   log lost its tail, and perhaps grew again. One that was deleted is not compared.
   * @throws LogError `no_topic`, `gap` if `from` or `last` is beyond the end, `from` was deleted, or `last` is another one.
   */
  openReader(topic: string, from: number, last?: KnownRecord): Promise<LogReader>;
  /** The records at [from, from + limit) that are there now; `limit` is at most 10,000. For re-reading what is known. */
  readAt(topic: string, from: number, limit: number): Promise<LogRecord[]>;
  /** The offset that the next record will get. */
  end(topic: string): Promise<number>;
  /**
   * How many copies of topics are left, and in how many zones; those that are not there are left out. For 1 to
   * 1,000 topics, in any order.
   */
  copies(topics: readonly string[]): Promise<TopicCopies[]>;
  /**
   * Closes topics for good: no append that begins after it resolved ever succeeds, by anyone. One that was on its way may
   * still do so. Reading goes on. Idempotent.
   *
   * @throws LogError after which some may be closed and others not
   */
  seal(topics: readonly string[]): Promise<void>;
  /**
   * Where a sealed topic ends, once that cannot change any more: it waits for appends that were on their way.
   *
   * @throws LogError `invalid` if the topic is not sealed
   */
  sealedEnd(topic: string): Promise<number>;
  /**
   * Deletes the records below an offset. Idempotent.
   *
   * @throws LogError `invalid` if the topic ends below it.
   */
  deleteBefore(topic: string, offset: number): Promise<void>;
}
