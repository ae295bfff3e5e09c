/**
 * The embedded driver of the log: one SQLite file, owned by one process (the file is locked).
 *
 * All appends that are handed over within one turn of the event loop are committed in one
 * transaction, with one flush to disk; each still has its own result. Offsets, times and the seal
 * live in the topic's row and are read in the transaction that appends, so a seal that was
 * committed is seen by every later append. Readers sleep until a commit wakes them.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { explainSqliteError, openSqliteFile, rollBack } from '@chappe/store/sqlite-file';
import { byteLength, checkTopicCount, refuseRecords } from './check-records.ts';
import { appendRecordsMax, deletionSliceRecords, groupBytesMax, groupRecordsMax, topicPattern } from './limits.ts';
import { LogError } from './log-error.ts';
import type { Append, AppendResult, KnownRecord, Log, LogReader, LogRecord, ReadLimits, TopicCopies } from './log.ts';
import { SqliteLogReader } from './sqlite-log-reader.ts';
import type { TopicRow, TopicStatements } from './sqlite-topics.ts';
import {
  createRecordsTable,
  createTables,
  prepareTopicStatements,
  selectRecords,
  toTopicRow,
} from './sqlite-topics.ts';

export interface SqliteLogOptions {
  readonly path: string;
  /** The clock that stamps records, in ms since 1970. */
  readonly now?: () => number;
}

/** @throws LogError `unavailable`: the file is in use, damaged, or cannot be written. */
export async function openSqliteLog(options: SqliteLogOptions): Promise<Log> {
  let database: DatabaseSync | undefined;
  try {
    database = openSqliteFile(options.path, { exclusive: true });
    createTables(database);
    return new SqliteLog(database, options.path, options.now ?? Date.now);
  } catch (error) {
    database?.close();
    throw asLogError(error, options.path);
  }
}

/** One call of `append` that waits for its group to be committed. */
interface PendingCall {
  readonly appends: readonly Append[];
  readonly resolve: (results: AppendResult[]) => void;
}

/** A topic as it is within the transaction that appends to it. */
interface OpenTopic {
  readonly id: number;
  readonly insert: StatementSync;
  endOffset: number;
  lastTimeMs: number;
}

class SqliteLog implements Log {
  readonly #database: DatabaseSync;
  readonly #path: string;
  readonly #now: () => number;
  readonly #topics: TopicStatements;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #waiters = new Map<string, Set<() => void>>();
  #group: PendingCall[] = [];
  #groupRecords = 0;
  #groupBytes = 0;
  #closed = false;

  constructor(database: DatabaseSync, path: string, now: () => number) {
    this.#database = database;
    this.#path = path;
    this.#now = now;
    this.#topics = prepareTopicStatements(database);
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#dropDeletedTopics();
  }

  async createTopic(topic: string): Promise<void> {
    if (!topicPattern.test(topic)) {
      throw new LogError('invalid', `a topic's name matches ${topicPattern.source}`);
    }
    this.#write(() => {
      const row = this.#find(topic);
      if (row?.isDeleted) throw new LogError('no_topic', `${topic} was deleted; its name is never used again`);
      if (row !== undefined) return;
      const { lastInsertRowid } = this.#topics.create.run(topic);
      createRecordsTable(this.#database, Number(lastInsertRowid));
    });
  }

  async deleteTopic(topic: string): Promise<void> {
    const row = this.#guard(() => this.#find(topic));
    if (row === undefined || row.isDeleted) return;
    this.#write(() => this.#topics.setDeleted.run(row.id));
    this.#wake(topic);
    await this.#deleteRecords(row.id, row.endOffset);
    this.#write(() => this.#topics.dropRecords(row.id));
  }

  append(appends: readonly Append[]): Promise<AppendResult[]> {
    return new Promise((resolve) => {
      if (this.#group.length === 0) setImmediate(() => this.#commitGroup());
      this.#group.push({ appends, resolve });
      for (const { records } of appends) {
        this.#groupRecords += records.length;
        this.#groupBytes += byteLength(records);
      }
      if (this.#groupRecords >= groupRecordsMax || this.#groupBytes >= groupBytesMax) this.#commitGroup();
    });
  }

  async openReader(topic: string, from: number, last?: KnownRecord): Promise<LogReader> {
    const row = this.#guard(() => this.#expect(topic));
    checkOffset(from);
    if (from < row.firstOffset || from > row.endOffset) {
      throw new LogError('gap', `${topic} holds [${row.firstOffset}, ${row.endOffset}), not ${from}`);
    }
    if (last !== undefined && last.offset >= row.endOffset) {
      throw new LogError(
        'gap',
        `${topic} ends at ${row.endOffset}: the record at ${last.offset} that was read is gone`,
      );
    }
    const [known] = last === undefined ? [] : await this.readAt(topic, last.offset, 1);
    if (known !== undefined && known.headers.id !== last?.id) {
      const problem = `the record at ${known.offset} of ${topic} is not the one that was read`;
      throw new LogError('gap', `${problem}: the log lost its tail and grew again`);
    }
    return new SqliteLogReader(topic, from, {
      readNow: (offset, limits) => this.#guard(() => this.#readNow(topic, offset, limits)),
      nextChange: (signal) => this.#nextChange(topic, signal),
      wake: () => this.#wake(topic),
    });
  }

  async readAt(topic: string, from: number, limit: number): Promise<LogRecord[]> {
    checkOffset(from);
    if (!Number.isInteger(limit) || limit < 1 || limit > appendRecordsMax) {
      throw new LogError('invalid', `limit is 1 to ${appendRecordsMax}`);
    }
    return this.#guard(() => {
      const row = this.#expect(topic);
      const start = Math.max(from, row.firstOffset);
      const count = Math.min(from + limit, row.endOffset) - start;
      if (count <= 0) return [];
      return selectRecords(this.#topics.records(row.id), start, {
        maxRecords: count,
        maxBytes: Infinity,
      });
    });
  }

  async end(topic: string): Promise<number> {
    return this.#guard(() => this.#expect(topic).endOffset);
  }

  async copies(topics: readonly string[]): Promise<TopicCopies[]> {
    checkTopicCount(topics);
    return this.#guard(() =>
      topics.flatMap((topic) => {
        const row = this.#find(topic);
        return row === undefined || row.isDeleted ? [] : [{ topic, wanted: 1, inSync: 1, inSyncZones: 1 }];
      }),
    );
  }

  async seal(topics: readonly string[]): Promise<void> {
    this.#write(() => {
      for (const { id } of topics.map((topic) => this.#expect(topic))) this.#topics.setSealed.run(id);
    });
  }

  async sealedEnd(topic: string): Promise<number> {
    const { isSealed, endOffset } = this.#guard(() => this.#expect(topic));
    if (!isSealed) throw new LogError('invalid', `${topic} is not sealed: where it ends can change`);
    return endOffset;
  }

  async deleteBefore(topic: string, offset: number): Promise<void> {
    checkOffset(offset);
    const row = this.#guard(() => this.#expect(topic));
    if (offset > row.endOffset) throw new LogError('invalid', `${topic} ends at ${row.endOffset}, below ${offset}`);
    this.#write(() => this.#topics.setFirst.run(offset, row.id, offset));
    await this.#deleteRecords(row.id, offset);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#commitGroup();
    this.#closed = true;
    for (const topic of this.#waiters.keys()) this.#wake(topic);
    this.#database.close();
  }

  #commitGroup(): void {
    const group = this.#group;
    if (group.length === 0) return;
    this.#group = [];
    this.#groupRecords = 0;
    this.#groupBytes = 0;

    const topics = new Map<string, OpenTopic>();
    let results: AppendResult[][];
    try {
      results = this.#write(() => {
        const nowMs = Math.trunc(this.#now());
        const written = group.map(({ appends }) => appends.map((append) => this.#appendOne(append, nowMs, topics)));
        for (const { id, endOffset, lastTimeMs } of topics.values())
          this.#topics.advance.run(endOffset, lastTimeMs, id);
        return written;
      });
    } catch (error) {
      const failure: AppendResult = { kind: 'failed', error: asLogError(error, this.#path) };
      for (const { appends, resolve } of group) resolve(appends.map(() => failure));
      return;
    }
    group.forEach(({ resolve }, index) => resolve(results[index] ?? []));
    for (const topic of topics.keys()) this.#wake(topic);
  }

  #appendOne({ topic, records }: Append, nowMs: number, topics: Map<string, OpenTopic>): AppendResult {
    const refusal = refuseRecords(records);
    if (refusal !== undefined) return failed('invalid', refusal);

    let open = topics.get(topic);
    if (open === undefined) {
      const row = this.#find(topic);
      if (row === undefined || row.isDeleted) return failed('no_topic', `there is no topic ${topic}`);
      if (row.isSealed) return failed('sealed', `${topic} is sealed`);
      const { insert } = this.#topics.records(row.id);
      open = { id: row.id, insert, endOffset: row.endOffset, lastTimeMs: row.lastTimeMs };
      topics.set(topic, open);
    }

    const firstOffset = open.endOffset;
    open.lastTimeMs = Math.max(nowMs, open.lastTimeMs);
    for (const { key, headers, value } of records) {
      open.insert.run(open.endOffset, open.lastTimeMs, key, headers.kind, headers.id, headers.version, value);
      open.endOffset += 1;
    }
    return { kind: 'appended', firstOffset, appendTimeMs: open.lastTimeMs };
  }

  #readNow(topic: string, from: number, limits: ReadLimits): LogRecord[] {
    const row = this.#expect(topic);
    if (from < row.firstOffset) throw new LogError('gap', `${topic} begins at ${row.firstOffset}, ${from} is deleted`);
    if (from > row.endOffset) throw new LogError('gap', `${topic} ends at ${row.endOffset}, below ${from}`);
    if (from === row.endOffset) return [];
    const records = selectRecords(this.#topics.records(row.id), from, limits);
    if (records.length === 0)
      throw new LogError('gap', `${topic} has no record ${from} below its end ${row.endOffset}`);
    return records;
  }

  /** Resolves at the next commit to a topic, at its deletion, when the log closes, or on abort. */
  #nextChange(topic: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(topic) ?? new Set();
      this.#waiters.set(topic, waiters);
      const done = (): void => {
        signal.removeEventListener('abort', done);
        waiters.delete(done);
        resolve();
      };
      waiters.add(done);
      signal.addEventListener('abort', done, { once: true });
    });
  }

  #wake(topic: string): void {
    const waiters = this.#waiters.get(topic);
    this.#waiters.delete(topic);
    for (const done of waiters ?? []) done();
  }

  async #deleteRecords(topicId: number, below: number): Promise<void> {
    for (;;) {
      const { deleteSlice } = this.#guard(() => this.#topics.records(topicId));
      const { changes } = this.#write(() => deleteSlice.run(below, deletionSliceRecords));
      if (changes < deletionSliceRecords) return;
      await nextTurn();
    }
  }

  /** What a crash left behind in the middle of a deletion. */
  #dropDeletedTopics(): void {
    const rows = this.#database
      .prepare(
        `SELECT id FROM topics WHERE deleted = 1
           AND EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND sqlite_schema.name = 'records_' || topics.id)`,
      )
      .all();
    for (const { id } of rows) this.#topics.dropRecords(Number(id));
  }

  #find(topic: string): TopicRow | undefined {
    const row = this.#topics.find.get(topic);
    return row && toTopicRow(row);
  }

  #expect(topic: string): TopicRow {
    const row = this.#find(topic);
    if (row === undefined || row.isDeleted) throw new LogError('no_topic', `there is no topic ${topic}`);
    return row;
  }

  /** Runs `work` in a transaction; its error, whatever it is, leaves nothing behind. */
  #write<T>(work: () => T): T {
    return this.#guard(() => {
      try {
        this.#begin.run();
        const result = work();
        this.#commit.run();
        return result;
      } catch (error) {
        rollBack(this.#database);
        throw error;
      }
    });
  }

  #guard<T>(work: () => T): T {
    if (this.#closed) throw new LogError('unavailable', `the log ${this.#path} is closed`);
    try {
      return work();
    } catch (error) {
      throw asLogError(error, this.#path);
    }
  }
}

function asLogError(error: unknown, path: string): LogError {
  if (error instanceof LogError) return error;
  const { fault, message } = explainSqliteError(error, path);
  return new LogError(fault === 'invalid' ? 'invalid' : 'unavailable', `log: ${message}`, {
    cause: error,
  });
}

function failed(kind: LogError['kind'], message: string): AppendResult {
  return { kind: 'failed', error: new LogError(kind, message) };
}

function checkOffset(offset: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0) throw new LogError('invalid', 'an offset is an integer from 0');
}
