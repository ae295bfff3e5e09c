/**
 * Which message id each row of a file got, so that a repeat can be told from a first send. It only
 * counts: what keeps a row from being sent twice is its idempotency key, and a lost journal costs
 * nothing but the count. SQLite, so that a million rows do not sit in memory.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { UsageError } from './failure.ts';

/** As long as the gateways remember a key (30 days). */
const keptMs = 30 * 86_400_000;
/** Entries written in one transaction: one fsync each. */
const batchMax = 1_000;

export class SentJournal implements Disposable {
  readonly #database: DatabaseSync;
  readonly #business: string;
  #pending = new Map<string, string>();

  /** @param business tells businesses apart whose rows look the same; e.g. the beginning of their key's digest */
  constructor(dataFolder: string, business: string) {
    const path = join(dataFolder, 'cli-sent.sqlite');
    try {
      mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
      this.#database = new DatabaseSync(path);
      this.#database.exec(`
        PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;
        CREATE TABLE IF NOT EXISTS sent (
          business TEXT, key TEXT, message_id TEXT NOT NULL, sent_at_ms INTEGER NOT NULL,
          PRIMARY KEY (business, key)) WITHOUT ROWID;
      `);
      this.#database.prepare('DELETE FROM sent WHERE sent_at_ms < ?').run(Date.now() - keptMs);
    } catch (error) {
      throw new UsageError(
        `cannot write ${path}: ${error instanceof Error ? error.message : 'unknown'}. Name another folder with --data.`,
        { cause: error },
      );
    }
    this.#business = business;
  }

  /** Notes an answer; true if the same row got the same id before. */
  note(key: string, messageId: string): boolean {
    const row = this.#database
      .prepare('SELECT message_id FROM sent WHERE business = ? AND key = ?')
      .get(this.#business, key);
    if ((this.#pending.get(key) ?? row?.['message_id']) === messageId) return true;
    this.#pending.set(key, messageId);
    if (this.#pending.size >= batchMax) this.#write();
    return false;
  }

  [Symbol.dispose](): void {
    this.#write();
    this.#database.close();
  }

  #write(): void {
    const put = this.#database.prepare('INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)');
    this.#database.exec('BEGIN');
    for (const [key, messageId] of this.#pending) put.run(this.#business, key, messageId, Date.now());
    this.#database.exec('COMMIT');
    this.#pending.clear();
  }
}
