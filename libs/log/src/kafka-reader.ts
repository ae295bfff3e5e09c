/**
 * A reader of one topic in Kafka: hands out the expected record only, and stops on a gap.
 *
 * It asks the leader for its own next offset each time, over a connection of its own, without a
 * consumer group: there is no position that a broker could forget, reset or share. It holds the
 * records of one fetch and nothing else, and fetches only while somebody reads.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { decodeBatches } from './kafka-batch.ts';
import { boundsOf } from './kafka-bounds.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { ConnectionError, nameOf } from './kafka-connection.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import { asLogError, checkCode, codes, ElsewhereError } from './kafka-error.ts';
import {
  fetchBytesMax,
  fetchWaitMs,
  leaderAttempts,
  leaderPauseMs,
  oneBatchBytes,
  requestTimeoutMs,
} from './kafka-limits.ts';
import { fetchRequest } from './kafka-protocol.ts';
import type { FetchedPartition } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';
import type { KnownRecord, LogReader, LogRecord, ReadLimits } from './log.ts';

export class KafkaLogReader implements LogReader {
  readonly #cluster: KafkaCluster;
  readonly #topic: string;
  readonly #onClose: (reader: KafkaLogReader) => void;
  #next: number;
  /** The last record handed out, and the connection on which it was found to be there. */
  #last: Last | undefined;
  #checkedOn: KafkaConnection | undefined;
  #buffer: LogRecord[] = [];
  #fetching: Promise<LogRecord[]> | undefined;
  #connection: KafkaConnection | undefined;
  #wake: (() => void) | undefined;
  #reading = false;
  #closed = false;

  constructor(
    cluster: KafkaCluster,
    topic: string,
    from: number,
    last: KnownRecord | undefined,
    onClose: (reader: KafkaLogReader) => void,
  ) {
    this.#cluster = cluster;
    this.#topic = topic;
    this.#next = from;
    this.#last = last;
    this.#onClose = onClose;
  }

  /** Connects to the leader and looks for the last record that is known: the first read finds both done. */
  async connect(): Promise<void> {
    try {
      await this.#atLeader(async () => undefined);
    } catch (error) {
      throw asLogError(error);
    }
  }

  async read(limits: ReadLimits, signal: AbortSignal): Promise<LogRecord[]> {
    if (!Number.isInteger(limits.maxRecords) || limits.maxRecords < 1 || !(limits.maxBytes >= 1)) {
      throw new LogError('invalid', 'a read allows at least one record and one byte');
    }
    if (this.#reading) throw new LogError('invalid', `a read of ${this.#topic} is under way already`);
    this.#reading = true;
    try {
      return await this.#read(limits, signal);
    } finally {
      this.#reading = false;
    }
  }

  async #read(limits: ReadLimits, signal: AbortSignal): Promise<LogRecord[]> {
    for (;;) {
      if (signal.aborted) return [];
      if (this.#closed) throw new LogError('unavailable', `the reader of ${this.#topic} is closed`);
      if (this.#buffer.length > 0) return this.#takeFromBuffer(limits);

      // An aborted read leaves its fetch under way; the next read takes what it brings.
      this.#fetching ??= this.#fetch();
      this.#fetching.catch(() => undefined);
      const outcome = await this.#settled(this.#fetching, signal);
      if (outcome === 'woken') continue;
      this.#fetching = undefined;
      if (outcome.error !== undefined) throw this.#closed ? closedError(this.#topic) : asLogError(outcome.error);
      this.#buffer = outcome.records;
    }
  }

  /** What a fetch came to, or `woken` on abort and when the reader is closed. */
  #settled(fetching: Promise<LogRecord[]>, signal: AbortSignal): Promise<Fetched | 'woken'> {
    return new Promise((resolve) => {
      const settle = (outcome: Fetched | 'woken'): void => {
        signal.removeEventListener('abort', wake);
        this.#wake = undefined;
        resolve(outcome);
      };
      const wake = (): void => settle('woken');
      this.#wake = wake;
      signal.addEventListener('abort', wake, { once: true });
      fetching.then(
        (records) => settle({ records }),
        (error: unknown) => settle({ records: [], error: error ?? new Error('a fetch failed without a reason') }),
      );
    });
  }

  #takeFromBuffer({ maxRecords, maxBytes }: ReadLimits): LogRecord[] {
    let [count, bytes] = [0, 0];
    for (const { value } of this.#buffer) {
      bytes += value.length;
      if (count === maxRecords || (count > 0 && bytes > maxBytes)) break;
      count += 1;
    }
    const records = this.#buffer.slice(0, count);
    this.#buffer = this.#buffer.slice(count);
    this.#next += count;
    const last = records.at(-1);
    if (last !== undefined) this.#last = { offset: last.offset, id: last.headers.id, appendTimeMs: last.appendTimeMs };
    return records;
  }

  /** The records at the next offset; none if the topic ended there for as long as a fetch waits. */
  #fetch(): Promise<LogRecord[]> {
    return this.#atLeader(async (connection) => {
      const limits = { waitMs: fetchWaitMs, maxBytes: fetchBytesMax };
      const request = fetchRequest(this.#topic, this.#next, limits);
      return this.#check(await connection.send(request, fetchWaitMs + requestTimeoutMs));
    });
  }

  /** On the reader's connection to the leader, which is looked for again a few times. */
  async #atLeader<T>(work: (connection: KafkaConnection) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const connection = await this.#connect();
        await this.#checkLast(connection);
        return await work(connection);
      } catch (error) {
        const isTransient = error instanceof ConnectionError || error instanceof ElsewhereError;
        this.#cluster.forgetLeader(this.#topic);
        if (!isTransient || attempt === leaderAttempts || this.#closed) throw error;
        await pause(leaderPauseMs);
      }
    }
  }

  /**
   * On each new connection: a log that came back without its newest records, and has grown again past
   * where this reader is, looks as if nothing had happened; records would be skipped.
   */
  async #checkLast(connection: KafkaConnection): Promise<void> {
    const last = this.#last;
    if (last === undefined || connection === this.#checkedOn) return;
    const limits = { waitMs: 0, maxBytes: oneBatchBytes };
    const request = fetchRequest(this.#topic, last.offset, limits);
    const { errorCode, batches } = await connection.send(request, requestTimeoutMs);
    // Deleted since, or the log ends below it, which the fetch that follows finds out.
    if (errorCode === codes.offsetOutOfRange) {
      this.#checkedOn = connection;
      return;
    }
    checkCode(this.#topic, errorCode, 'reading');
    const [record] = decodeBatches(this.#topic, last.offset, batches);
    if (record === undefined) return;
    const isAnother = last.appendTimeMs !== undefined && record.appendTimeMs !== last.appendTimeMs;
    if (record.headers.id !== last.id || isAnother) {
      const problem = `the record at ${last.offset} of ${this.#topic} is not the one that was read`;
      throw new LogError('gap', `${problem}: the log lost its tail and grew again`);
    }
    this.#checkedOn = connection;
  }

  async #check({ errorCode, batches }: FetchedPartition): Promise<LogRecord[]> {
    if (errorCode === codes.offsetOutOfRange) {
      // Also what a former leader says that does not have the newest records.
      const { first, end } = await boundsOf(this.#cluster, this.#topic);
      if (this.#next >= first && this.#next <= end) throw new ElsewhereError(this.#topic, codes.notLeader);
      throw new LogError('gap', `${this.#topic} holds [${first}, ${end}), not ${this.#next}`);
    }
    checkCode(this.#topic, errorCode, 'reading');
    return decodeBatches(this.#topic, this.#next, batches);
  }

  async #connect(): Promise<KafkaConnection> {
    const leader = await this.#cluster.leaderOf(this.#topic);
    const connection = this.#connection;
    if (connection?.isOpen && nameOf(connection.address) === nameOf(leader)) return connection;
    connection?.close('the topic is led elsewhere');
    this.#connection = await this.#cluster.open(leader);
    if (this.#closed) this.#connection.close('the reader is closed');
    return this.#connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake?.();
    this.#connection?.close('the reader is closed');
    this.#buffer = [];
    this.#onClose(this);
  }
}

interface Last extends KnownRecord {
  readonly appendTimeMs?: number;
}

interface Fetched {
  readonly records: LogRecord[];
  readonly error?: unknown;
}

function closedError(topic: string): LogError {
  return new LogError('unavailable', `the reader of ${topic} is closed`);
}
