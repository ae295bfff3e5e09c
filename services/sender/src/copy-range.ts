/**
 * Brings the rows of a range's contacts from the store in which the ranges that it replaces have them
 * (docs/protocols.md, 9.4). Those are drained, so nothing changes there any more.
 *
 * Each page is written in one transaction, which begins with a compare-and-set on the range's own row, as every other
 * one does (fence.ts): a copier that stood still writes nothing once another one has claimed the range. The same
 * transaction says how far the copy is, so whoever comes next goes on there, and reads the page back: its checksum
 * must be that of the source. The range is worked on when all of it is here.
 */
import type { Range } from '@chappe/ranges/range';
import { Rollback, type Row, type Store, type Transaction } from '@chappe/store/store';
import type { Progress } from './fence.ts';
import { checksumOf, deleteRows, keyOf, pageQuery, valuesOf, type RowKey } from './row-pages.ts';
import { contactTables, rangeCopiesTable, type ContactTable } from './tables.ts';

export interface Copying {
  readonly store: Store;
  readonly source: Store;
  readonly range: Range;
  /** As it was claimed. */
  readonly claimed: Progress;
  readonly signal: AbortSignal;
  /** After each page. */
  readonly onPage?: (table: string, rows: number) => void;
}

export type CopyEnd =
  /** The range may be claimed and worked on. */
  | 'copied'
  /** Another instance has the range. */
  | 'fenced'
  /** A range that it replaces is not drained: its store has lost that. */
  | 'waits'
  | 'stopped';

interface Place {
  readonly mark: string;
  readonly table: string;
  readonly after: RowKey;
  readonly rows: number;
}

/**
 * Goes on where the last one was. Can be called again after any error.
 *
 * @throws StoreError; Error if what was written is not what was read
 */
export async function copyRange(copying: Copying): Promise<CopyEnd> {
  const { store, source, range, signal, onPage } = copying;
  const mark = await sourceMark(copying);
  if (mark === undefined) return 'waits';
  const fence = new CopyFence(copying);
  let place = await readPlace(store, range.id);
  if (place !== undefined && place.mark !== mark) {
    // The source came back from another time: its rows and those that are here do not go together.
    const end = await clear(copying, fence);
    if (end !== 'cleared') return end;
    place = undefined;
  }
  let copied = place?.rows ?? 0;
  const first = place === undefined ? 0 : contactTables.findIndex(({ table }) => table.name === place.table);
  for (const [index, table] of contactTables.entries()) {
    if (index < first) continue;
    let after: RowKey = index === first ? (place?.after ?? []) : [];
    for (;;) {
      if (signal.aborted) return 'stopped';
      const query = pageQuery(table, range, after);
      const rows = await source.query(query.sql, query.parameters);
      const last = rows.at(-1);
      if (last === undefined) break;
      // What was read is of the time of the mark.
      if ((await sourceMark(copying)) !== mark) return 'waits';
      const [from, to] = [after, keyOf(table, last)];
      const isWritten = await fence.through(async (tx) => {
        const written = { mark, table: table.table.name, after: to, rows: copied + rows.length };
        await Promise.all([
          tx.insert(
            table.table,
            rows.map((row) => valuesOf(table, row)),
            'fail',
          ),
          writePlace(tx, range.id, written),
        ]);
        await expectSame(tx, table, range, from, rows);
      });
      if (!isWritten) return 'fenced';
      after = to;
      copied += rows.length;
      onPage?.(table.table.name, copied);
    }
    await expectNothing(store, table, range, after);
  }
  const isOpen = await fence.through(async (tx) => {
    await tx.run("UPDATE range_progress SET state = 'active' WHERE range_id = ?", [range.id]);
    await tx.run('DELETE FROM range_copies WHERE range_id = ?', [range.id]);
  });
  return isOpen ? 'copied' : 'fenced';
}

/** The door of a range that is copied, as `commitThroughFence` is that of one that is worked on. */
class CopyFence {
  readonly #store: Store;
  readonly #claimed: Progress;
  readonly #rangeId: string;
  #commitNo: number;

  constructor({ store, claimed, range }: Copying) {
    this.#store = store;
    this.#claimed = claimed;
    this.#rangeId = range.id;
    this.#commitNo = claimed.commitNo;
  }

  /** False: another instance has the range, or nobody copies it any more; nothing happened. */
  async through(write: (tx: Transaction) => Promise<void>): Promise<boolean> {
    const { epoch, instance, incarnation } = this.#claimed;
    const isWritten = await this.#store.transaction(async (tx): Promise<boolean> => {
      const matched = await tx.run(
        `UPDATE range_progress SET commit_no = commit_no + 1, holder = ?
         WHERE range_id = ? AND epoch = ? AND instance = ? AND incarnation = ? AND commit_no = ? AND state = 'copying'`,
        [tx.connectionId, this.#rangeId, epoch, instance, incarnation, this.#commitNo],
      );
      if (matched !== 1) throw new Rollback(false);
      await write(tx);
      return true;
    });
    if (isWritten) this.#commitNo += 1;
    return isWritten;
  }
}

/** What the fence rows say of the ranges that it replaces; undefined: not all of them are drained. */
async function sourceMark({ source, range }: Copying): Promise<string | undefined> {
  const replaced = (range.replaces ?? []).toSorted();
  const rows = await source.query(
    `SELECT range_id, state, incarnation, commit_no FROM range_progress
     WHERE range_id IN (${replaced.map(() => '?').join(', ')}) ORDER BY range_id`,
    replaced,
  );
  if (rows.length !== replaced.length || rows.some((row) => row['state'] !== 'drained')) return undefined;
  return rows
    .map((row) => ['range_id', 'incarnation', 'commit_no'].map((column) => String(row[column])).join('/'))
    .join(' ');
}

async function readPlace(store: Store, rangeId: string): Promise<Place | undefined> {
  const [row] = await store.query('SELECT * FROM range_copies WHERE range_id = ?', [rangeId]);
  if (row === undefined) return undefined;
  return {
    mark: String(row['source_mark']),
    table: String(row['table_name']),
    after: JSON.parse(String(row['after_key'])) as RowKey,
    rows: Number(row['copied_rows']),
  };
}

async function writePlace(tx: Transaction, rangeId: string, { mark, table, after, rows }: Place): Promise<void> {
  await tx.insert(rangeCopiesTable, [[rangeId, mark, table, JSON.stringify(after), rows]], 'replace');
}

async function expectSame(
  tx: Transaction,
  table: ContactTable,
  range: Range,
  after: RowKey,
  rows: readonly Row[],
): Promise<void> {
  const query = pageQuery(table, range, after);
  const written = await tx.query(query.sql, query.parameters);
  if (checksumOf(table, written) === checksumOf(table, rows)) return;
  throw new Error(
    `what was copied of ${table.table.name} for range ${range.id} is not what was read: ${written.length} rows instead of ${rows.length}, or others`,
  );
}

/** Rows that nobody has copied would be taken for the contacts' own. */
async function expectNothing(store: Store, table: ContactTable, range: Range, after: RowKey): Promise<void> {
  const query = pageQuery(table, range, after);
  const rows = await store.query(query.sql, query.parameters);
  if (rows.length > 0)
    throw new Error(`the store has rows of ${table.table.name} for range ${range.id} that were not copied`);
}

async function clear({ store, range, signal }: Copying, fence: CopyFence): Promise<'cleared' | 'fenced' | 'stopped'> {
  for (const table of contactTables) {
    for (;;) {
      if (signal.aborted) return 'stopped';
      const query = pageQuery(table, range, []);
      const rows = await store.query(query.sql, query.parameters);
      if (rows.length === 0) break;
      if (!(await fence.through((tx) => deleteRows(tx, table, rows)))) return 'fenced';
    }
  }
  const isDone = await fence.through(async (tx) => {
    await tx.run('DELETE FROM range_copies WHERE range_id = ?', [range.id]);
  });
  return isDone ? 'cleared' : 'fenced';
}
