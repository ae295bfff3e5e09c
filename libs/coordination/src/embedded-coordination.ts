/**
 * The embedded driver of coordination: a map in memory, with what has no lease kept in an SQLite file.
 *
 * A transaction is one synchronous step, so comparisons and operations are atomic; it is on disk
 * before it is visible. Keys under a lease are only in memory and so vanish with the process.
 * Revisions never repeat, not even after a crash: they are reserved in blocks ahead of use.
 *
 * A lease lives until it is disposed, as long as the process does: holders, map and watchers stand
 * still and wake up together, so a stalled process has missed nothing that a rival could have seen.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { explainSqliteError, openSqliteFile, rollBack } from '@chappe/store/sqlite-file';
import type { Compare, Coordination, KeyValue, Lease, Operation, Snapshot } from './coordination.ts';
import { CoordinationError } from './coordination.ts';
import { leaseTtlMinMs, revisionBlock, transactionItemsMax } from './limits.ts';

export interface EmbeddedCoordinationOptions {
  /** Without a path nothing is kept on disk. */
  readonly path?: string | undefined;
  /** A monotonic clock in ms. */
  readonly now?: () => number;
}

export interface EmbeddedCoordination extends Coordination {
  /** Takes a lease away from its holder, as an outage would. For tests: nothing else can in one process. */
  expireLease(lease: Lease): void;
}

/** @throws CoordinationError `unavailable`: the file is in use, damaged, or cannot be written. */
export async function openEmbeddedCoordination(options: EmbeddedCoordinationOptions): Promise<EmbeddedCoordination> {
  let database: DatabaseSync | undefined;
  try {
    database = openSqliteFile(options.path, { exclusive: true });
    return new SqliteCoordination(database, options);
  } catch (error) {
    database?.close();
    throw asCoordinationError(error, options.path);
  }
}

interface Entry extends KeyValue {
  readonly lease: EmbeddedLease | undefined;
}

interface Watcher {
  readonly prefix: string;
  readonly onChange: () => void;
  scheduled: boolean;
}

class SqliteCoordination implements EmbeddedCoordination {
  readonly #database: DatabaseSync;
  readonly #path: string | undefined;
  readonly #now: () => number;
  readonly #statements: Record<'put' | 'delete' | 'reserve', StatementSync>;
  readonly #entries = new Map<string, Entry>();
  readonly #leases = new Set<EmbeddedLease>();
  readonly #watchers = new Set<Watcher>();
  #revision: number;
  #reservedRevision: number;
  #closed = false;

  constructor(database: DatabaseSync, { path, now }: EmbeddedCoordinationOptions) {
    this.#database = database;
    this.#path = path;
    this.#now = now ?? (() => performance.now());
    database.exec(createTables);
    this.#statements = {
      put: database.prepare('INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)'),
      delete: database.prepare('DELETE FROM entries WHERE key = ?'),
      reserve: database.prepare('UPDATE revisions SET reserved = ?'),
    };
    this.#revision = this.#reservedRevision = Number(
      database.prepare('SELECT reserved FROM revisions').get()?.['reserved'],
    );
    for (const row of database.prepare('SELECT * FROM entries').all()) {
      const entry = {
        key: String(row['key']),
        value: String(row['value']),
        createRevision: Number(row['createRevision']),
        modRevision: Number(row['modRevision']),
        lease: undefined,
      };
      this.#entries.set(entry.key, entry);
    }
  }

  async get(key: string): Promise<KeyValue | undefined> {
    this.#refuseIfClosed();
    const entry = this.#entries.get(key);
    return entry && toKeyValue(entry);
  }

  async list(prefix: string): Promise<Snapshot> {
    this.#refuseIfClosed();
    const entries = [...this.#entries.values()].filter(({ key }) => key.startsWith(prefix)).map(toKeyValue);
    entries.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    return { entries, revision: this.#revision };
  }

  async transact(
    compares: readonly Compare[],
    operations: readonly Operation[],
  ): Promise<{ succeeded: boolean; revision: number }> {
    this.#refuseIfClosed();
    refuseIfMalformed(compares, operations);
    for (const operation of operations) {
      if (operation.kind === 'put' && operation.lease !== undefined) this.#expectAlive(operation.lease);
    }
    if (!compares.every((compare) => this.#holds(compare))) return { succeeded: false, revision: this.#revision };
    this.#apply(operations);
    return { succeeded: true, revision: this.#revision };
  }

  async grantLease(ttlMs: number): Promise<Lease> {
    this.#refuseIfClosed();
    if (!(ttlMs >= leaseTtlMinMs)) throw new CoordinationError('invalid', `a lease lasts at least ${leaseTtlMinMs} ms`);
    const lease = new EmbeddedLease(ttlMs, this.#now, (revoked) => this.#removeLease(revoked));
    this.#leases.add(lease);
    return lease;
  }

  watch(prefix: string, onChange: () => void): Disposable {
    const watcher = { prefix, onChange, scheduled: false };
    this.#watchers.add(watcher);
    return { [Symbol.dispose]: () => this.#watchers.delete(watcher) };
  }

  expireLease(lease: Lease): void {
    const mine = this.#expectAlive(lease);
    this.#removeLease(mine);
    mine.lose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchers.clear();
    for (const lease of this.#leases) lease.lose();
    this.#leases.clear();
    this.#database.close();
  }

  #holds(compare: Compare): boolean {
    const entry = this.#entries.get(compare.key);
    if ('absent' in compare) return entry === undefined;
    if ('createRevision' in compare) return (entry?.createRevision ?? 0) === compare.createRevision;
    return (entry?.modRevision ?? 0) === compare.modRevision;
  }

  /** Writes to disk first; only then does the map in memory change. */
  #apply(operations: readonly Operation[]): void {
    const effective = operations.filter(({ kind, key }) => kind === 'put' || this.#entries.has(key));
    if (effective.length === 0) return;
    const revision = this.#revision + 1;
    const changes = effective.map((operation) => ({
      key: operation.key,
      entry: this.#entryAfter(operation, revision),
    }));
    this.#persist(revision, changes);
    this.#revision = revision;
    for (const { key, entry } of changes) {
      if (entry === undefined) this.#entries.delete(key);
      else this.#entries.set(key, entry);
    }
    this.#notify(changes.map(({ key }) => key));
  }

  #entryAfter(operation: Operation, revision: number): Entry | undefined {
    if (operation.kind === 'delete') return undefined;
    const createRevision = this.#entries.get(operation.key)?.createRevision ?? revision;
    const lease = operation.lease && this.#expectAlive(operation.lease);
    return {
      key: operation.key,
      value: operation.value,
      createRevision,
      modRevision: revision,
      lease,
    };
  }

  #persist(revision: number, changes: readonly { readonly key: string; readonly entry: Entry | undefined }[]): void {
    const durable = changes.filter(({ key, entry }) => {
      const before = this.#entries.get(key);
      return (entry !== undefined && entry.lease === undefined) || (before !== undefined && before.lease === undefined);
    });
    const mustReserve = revision > this.#reservedRevision;
    if (durable.length === 0 && !mustReserve) return;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      if (mustReserve) this.#statements.reserve.run(revision + revisionBlock);
      for (const { key, entry } of durable) {
        if (entry === undefined || entry.lease !== undefined) this.#statements.delete.run(key);
        else this.#statements.put.run(key, entry.value, entry.createRevision, entry.modRevision);
      }
      this.#database.exec('COMMIT');
    } catch (error) {
      rollBack(this.#database);
      throw asCoordinationError(error, this.#path);
    }
    if (mustReserve) this.#reservedRevision = revision + revisionBlock;
  }

  #removeLease(lease: EmbeddedLease): void {
    if (!this.#leases.has(lease)) return;
    const keys = [...this.#entries.values()].filter((entry) => entry.lease === lease).map(({ key }) => key);
    this.#apply(keys.map((key) => ({ kind: 'delete', key })));
    this.#leases.delete(lease);
  }

  #notify(keys: readonly string[]): void {
    for (const watcher of this.#watchers) {
      if (watcher.scheduled || !keys.some((key) => key.startsWith(watcher.prefix))) continue;
      watcher.scheduled = true;
      setImmediate(() => {
        watcher.scheduled = false;
        if (this.#watchers.has(watcher)) watcher.onChange();
      });
    }
  }

  #expectAlive(lease: Lease): EmbeddedLease {
    if (lease instanceof EmbeddedLease && this.#leases.has(lease)) return lease;
    throw new CoordinationError('lease_lost', 'the lease was revoked or lost: take a new one');
  }

  #refuseIfClosed(): void {
    if (this.#closed) throw new CoordinationError('unavailable', 'coordination is closed');
  }
}

class EmbeddedLease implements Lease {
  readonly ttlMs: number;
  readonly #now: () => number;
  readonly #revoke: (lease: EmbeddedLease) => void;
  readonly #loss = new AbortController();
  #endedAtMs: number | undefined;

  constructor(ttlMs: number, now: () => number, revoke: (lease: EmbeddedLease) => void) {
    this.ttlMs = ttlMs;
    this.#now = now;
    this.#revoke = revoke;
  }

  get lost(): AbortSignal {
    return this.#loss.signal;
  }

  /** In process every moment of its life confirms it. */
  readonly confirmedAtMs = (): number => this.#endedAtMs ?? this.#now();

  lose(): void {
    this.#endedAtMs ??= this.#now();
    this.#loss.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#endedAtMs ??= this.#now();
    this.#revoke(this);
  }
}

function refuseIfMalformed(compares: readonly Compare[], operations: readonly Operation[]): void {
  if (compares.length > transactionItemsMax || operations.length > transactionItemsMax) {
    throw new CoordinationError(
      'invalid',
      `a transaction has at most ${transactionItemsMax} comparisons and operations`,
    );
  }
  if (new Set(operations.map(({ key }) => key)).size < operations.length) {
    throw new CoordinationError('invalid', 'a transaction changes each key once');
  }
}

function toKeyValue({ key, value, createRevision, modRevision }: Entry): KeyValue {
  return { key, value, createRevision, modRevision };
}

function asCoordinationError(error: unknown, path: string | undefined): CoordinationError {
  if (error instanceof CoordinationError) return error;
  const { message } = explainSqliteError(error, path ?? 'memory');
  return new CoordinationError('unavailable', `coordination: ${message}`, { cause: error });
}

const createTables = `
  CREATE TABLE IF NOT EXISTS entries (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    createRevision INTEGER NOT NULL,
    modRevision INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS revisions (id INTEGER PRIMARY KEY CHECK (id = 1), reserved INTEGER NOT NULL) STRICT;
  INSERT OR IGNORE INTO revisions VALUES (1, 0);
`;
