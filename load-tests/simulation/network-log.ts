/**
 * The log as a process reaches it over the simulated network: the embedded driver does the work on the other side.
 *
 * Each topic of an append goes by itself and is answered by itself, as Kafka's partitions are. A reader keeps its
 * position on this side, asks again and again, and tells of an answer that did not come.
 */
import { LogError } from '@chappe/log/log-error';
import type { Append, AppendResult, KnownRecord, Log, LogReader, LogRecord, ReadLimits } from '@chappe/log/log';
import { appendOne } from '../faults/append-one.ts';
import { Unanswered, type Network } from './network.ts';
import type { Life } from './virtual-time.ts';

/** As `requestMs` of the Kafka driver. */
const timeoutMs = 5_000;
/** How long a request for records waits on the other side. */
const longPollMs = 500;

export interface LogServer {
  readonly life: Life;
  readonly log: Log;
}

export function networkLog(network: Network, server: LogServer, client: Life): Log {
  const ask = async <T>(name: string, work: (log: Log) => Promise<T>): Promise<T> => {
    try {
      return await network.call(client, server.life, { name, timeoutMs }, () => work(server.log));
    } catch (error) {
      if (error instanceof Unanswered) throw new LogError('unavailable', error.message);
      throw error;
    }
  };
  const answered = async (append: Append): Promise<AppendResult> => {
    try {
      return await ask(`append ${append.topic}`, (log) => appendOne(log, append));
    } catch (error) {
      return { kind: 'failed', error: error as LogError };
    }
  };
  return {
    createTopic: (topic) => ask('create', (log) => log.createTopic(topic)),
    deleteTopic: (topic) => ask('delete', (log) => log.deleteTopic(topic)),
    append: (appends) => Promise.all(appends.map(answered)),
    openReader: async (topic, from, last) => {
      await ask(`open ${topic}`, (log) => lookAt(log, topic, from, last));
      return new NetworkReader(from, (next, limits) =>
        ask(`read ${topic}`, (log) => readSome(log, topic, next, limits)),
      );
    },
    readAt: (topic, from, limit) => ask('read', (log) => log.readAt(topic, from, limit)),
    end: (topic) => ask('end', (log) => log.end(topic)),
    copies: (topics) => ask('copies', (log) => log.copies(topics)),
    seal: (topics) => ask('seal', (log) => log.seal(topics)),
    sealedEnd: (topic) => ask('sealed end', (log) => log.sealedEnd(topic)),
    deleteBefore: (topic, offset) => ask('delete', (log) => log.deleteBefore(topic, offset)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function lookAt(log: Log, topic: string, from: number, last: KnownRecord | undefined): Promise<void> {
  const reader = await log.openReader(topic, from, last);
  await reader[Symbol.asyncDispose]();
}

async function readSome(log: Log, topic: string, from: number, limits: ReadLimits): Promise<LogRecord[]> {
  const reader = await log.openReader(topic, from);
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(), longPollMs);
  try {
    return await reader.read(limits, enough.signal);
  } finally {
    clearTimeout(timer);
    await reader[Symbol.asyncDispose]();
  }
}

class NetworkReader implements LogReader {
  #next: number;
  #isClosed = false;
  readonly #ask: (from: number, limits: ReadLimits) => Promise<LogRecord[]>;

  constructor(from: number, ask: (from: number, limits: ReadLimits) => Promise<LogRecord[]>) {
    this.#next = from;
    this.#ask = ask;
  }

  async read(limits: ReadLimits, signal: AbortSignal): Promise<LogRecord[]> {
    const stop = Promise.withResolvers<undefined>();
    const abort = (): void => stop.resolve(undefined);
    signal.addEventListener('abort', abort, { once: true });
    try {
      while (!signal.aborted) {
        if (this.#isClosed) throw new LogError('unavailable', 'the reader is closed');
        const asked = this.#ask(this.#next, limits);
        // Nobody may be there any more when it fails.
        asked.catch(() => undefined);
        const records = await Promise.race([asked, stop.promise]);
        if (records === undefined) return [];
        if (records.length === 0) continue;
        this.#next += records.length;
        return records;
      }
      return [];
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
  }
}
