/**
 * The tables of the SQLite log and the statements on them; it decides nothing.
 *
 * `topics` has one row per topic ever made (a deleted one keeps its name); a topic's records are in
 * a table of their own, so that appends go to the right edge of a B-tree and deletion frees whole
 * pages. `end_offset` is stored and not computed: a log that lost its tail is noticed.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { preparedTopicsMax } from './limits.ts';
import type { LogRecord } from './log.ts';

export interface TopicRow {
  readonly id: number;
  readonly isSealed: boolean;
  readonly isDeleted: boolean;
  readonly firstOffset: number;
  readonly endOffset: number;
  readonly lastTimeMs: number;
}

export interface RecordStatements {
  readonly insert: StatementSync;
  readonly select: StatementSync;
  readonly deleteSlice: StatementSync;
}

export interface TopicStatements {
  readonly find: StatementSync;
  readonly create: StatementSync;
  readonly advance: StatementSync;
  readonly setSealed: StatementSync;
  readonly setFirst: StatementSync;
  readonly setDeleted: StatementSync;
  /** The statements on the records of one topic. */
  readonly records: (topicId: number) => RecordStatements;
  readonly dropRecords: (topicId: number) => void;
}

export function createTables(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS topics (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL UNIQUE,
      sealed INTEGER NOT NULL DEFAULT 0,
      deleted INTEGER NOT NULL DEFAULT 0,
      first_offset INTEGER NOT NULL DEFAULT 0,
      end_offset INTEGER NOT NULL DEFAULT 0,
      last_time_ms INTEGER NOT NULL DEFAULT 0
    ) STRICT
  `);
}

export function createRecordsTable(database: DatabaseSync, topicId: number): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS records_${topicId} (
      record_offset INTEGER PRIMARY KEY,
      time_ms INTEGER NOT NULL,
      key TEXT NOT NULL,
      kind TEXT NOT NULL,
      id TEXT NOT NULL,
      version INTEGER NOT NULL,
      value BLOB NOT NULL
    ) STRICT
  `);
}

export function prepareTopicStatements(database: DatabaseSync): TopicStatements {
  const prepared = new Map<number, RecordStatements>();
  return {
    find: database.prepare(
      'SELECT id, sealed, deleted, first_offset, end_offset, last_time_ms FROM topics WHERE name = ?',
    ),
    create: database.prepare('INSERT INTO topics (name) VALUES (?)'),
    advance: database.prepare('UPDATE topics SET end_offset = ?, last_time_ms = ? WHERE id = ?'),
    setSealed: database.prepare('UPDATE topics SET sealed = 1 WHERE id = ?'),
    setFirst: database.prepare('UPDATE topics SET first_offset = ? WHERE id = ? AND first_offset < ?'),
    setDeleted: database.prepare('UPDATE topics SET deleted = 1, first_offset = end_offset WHERE id = ?'),
    records(topicId) {
      const known = prepared.get(topicId);
      if (known !== undefined) {
        prepared.delete(topicId);
        prepared.set(topicId, known);
        return known;
      }
      if (prepared.size >= preparedTopicsMax) {
        for (const oldest of prepared.keys()) {
          prepared.delete(oldest);
          break;
        }
      }
      const fresh = prepareRecordStatements(database, topicId);
      prepared.set(topicId, fresh);
      return fresh;
    },
    dropRecords(topicId) {
      prepared.delete(topicId);
      database.exec(`DROP TABLE IF EXISTS records_${topicId}`);
    },
  };
}

/** The records from an offset on, until one of the limits is reached; at least one if there is one. */
export function selectRecords(
  statements: RecordStatements,
  from: number,
  limits: { readonly maxRecords: number; readonly maxBytes: number },
): LogRecord[] {
  const records: LogRecord[] = [];
  let bytes = 0;
  for (const row of statements.select.iterate(from, limits.maxRecords)) {
    const record = toRecord(row);
    bytes += record.value.length;
    if (records.length > 0 && bytes > limits.maxBytes) break;
    records.push(record);
  }
  return records;
}

export function toTopicRow(row: SqliteRow): TopicRow {
  return {
    id: Number(row['id']),
    isSealed: row['sealed'] === 1,
    isDeleted: row['deleted'] === 1,
    firstOffset: Number(row['first_offset']),
    endOffset: Number(row['end_offset']),
    lastTimeMs: Number(row['last_time_ms']),
  };
}

type SqliteRow = Record<string, SQLOutputValue>;

function toRecord(row: SqliteRow): LogRecord {
  const value = row['value'];
  return {
    offset: Number(row['record_offset']),
    appendTimeMs: Number(row['time_ms']),
    key: String(row['key']),
    headers: { kind: String(row['kind']), id: String(row['id']), version: Number(row['version']) },
    value: value instanceof Uint8Array ? value : new Uint8Array(0),
  };
}

function prepareRecordStatements(database: DatabaseSync, topicId: number): RecordStatements {
  const table = `records_${topicId}`;
  return {
    insert: database.prepare(`INSERT INTO ${table} VALUES (?, ?, ?, ?, ?, ?, ?)`),
    select: database.prepare(`SELECT * FROM ${table} WHERE record_offset >= ? ORDER BY record_offset LIMIT ?`),
    deleteSlice: database.prepare(
      `DELETE FROM ${table} WHERE record_offset IN
         (SELECT record_offset FROM ${table} WHERE record_offset < ? ORDER BY record_offset LIMIT ?)`,
    ),
  };
}
