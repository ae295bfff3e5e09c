/**
 * The fence: the one row that says whose work on a range counts, and the one door through which a
 * worker's transactions go (docs/protocols.md, section 1).
 *
 * A transaction's first statement is a compare-and-set on the row. It matches only while this
 * instance holds the range under its epoch and nobody has committed in between; else the
 * transaction is rolled back and the outcome says why.
 */
import { incarnationOf, type Range } from '@chappe/ranges/range';
import { firstIncarnation } from '@chappe/store/store-mark';
import { Rollback, StoreError, type Row, type Store, type Transaction } from '@chappe/store/store';
import { noneBeyond } from './done-beyond.ts';
import { rangeProgressTable } from './tables.ts';

/** The row, as this instance last committed it. */
export interface Progress {
  readonly epoch: number;
  readonly instance: string;
  readonly incarnation: number;
  /** The lowest record that is not done. */
  readonly nextOffset: number;
  /** Which of those behind it are done (`done-beyond.ts`). Empty, unless turns left some of what was read for later. */
  readonly doneBeyond: Uint8Array;
  readonly commitNo: number;
  readonly eventNo: number;
  readonly publishedNo: number;
  /** The highest record that is done: read again at start, it must be the same. -1: none yet. */
  readonly lastOffset: number;
  readonly lastId: string;
  /** The time of that record: the latest append time of those up to it. */
  readonly lastTimeMs: number;
  /** The latest append time of the records below `nextOffset`: from there on times are counted again as they were. */
  readonly floorTimeMs: number;
}

/** What a transaction changes of the row. */
export type Advance = Omit<Progress, 'epoch' | 'instance' | 'incarnation' | 'commitNo'>;

export type Outcome =
  | { readonly kind: 'committed'; readonly progress: Progress }
  /** Nothing happened (deadlock, lock time-out, store away): the same again. */
  | { readonly kind: 'refused'; readonly error: Error }
  /** Another instance or epoch holds the range: stop. */
  | { readonly kind: 'fenced'; readonly epoch: number }
  /** The row is older than what this instance committed: the store lost commits. Stop, alarm. */
  | { readonly kind: 'rolled_back' }
  /** The range was worked off for good. */
  | { readonly kind: 'drained' }
  /** The answer to COMMIT was lost: ask `resolveUnknown`. */
  | { readonly kind: 'unknown' };

export type Claim =
  | { readonly kind: 'claimed'; readonly progress: Progress }
  /** A higher epoch, or this one by another instance, has it. */
  | { readonly kind: 'refused'; readonly epoch: number }
  | { readonly kind: 'drained' }
  /** What it replaces is not drained yet: the first of those ranges. */
  | { readonly kind: 'waits'; readonly rangeId: string }
  /** Its rows come from another store first (copy-range.ts): taken for that under this epoch. */
  | { readonly kind: 'copies'; readonly progress: Progress }
  /** The store came back from before the range was made: it has nothing of it. */
  | { readonly kind: 'lost' };

/**
 * Takes a range under an epoch and the incarnation that the table names, before any of its state is read. An owner that stands still inside a
 * transaction holds the row: when the store has waited for it as long as it does, its connection is
 * ended, which rolls back what it had not committed.
 *
 * @param source the store that the rows of the ranges it replaces are in, if that is another one
 * @throws StoreError
 */
export async function claimRange(
  store: Store,
  range: Range,
  epoch: number,
  instance: string,
  source?: Store,
): Promise<Claim> {
  try {
    return await claimOnce(store, range, epoch, instance, source);
  } catch (error) {
    if (!(error instanceof StoreError) || error.kind !== 'refused') throw error;
    await store.endHolder('SELECT holder FROM range_progress WHERE range_id = ?', [range.id]);
    return claimOnce(store, range, epoch, instance, source);
  }
}

async function claimOnce(
  store: Store,
  range: Range,
  epoch: number,
  instance: string,
  source: Store | undefined,
): Promise<Claim> {
  const own = incarnationOf(range);
  const replaced = range.replaces ?? [];
  let read: Inherited | undefined;
  if (source !== undefined) {
    // Once it has a row, nothing is asked of the other store. A drained row stays as it is, so it may be read before.
    const known = await store.transaction((tx) => claimRow(tx, range.id, { epoch, instance, incarnation: own }));
    if (known !== undefined) return known;
    read = await source.transaction((tx) => inherit(tx, replaced, own));
  }
  return store.transaction(async (tx) => {
    const known = await claimRow(tx, range.id, { epoch, instance, incarnation: own });
    if (known !== undefined) return known;
    if (replaced.length === 0 && own > firstIncarnation) return { kind: 'lost' };
    const inherited = read ?? (await inherit(tx, replaced, own));
    if ('waitsFor' in inherited) return { kind: 'waits', rangeId: inherited.waitsFor };
    const { incarnation, lastTimeMs } = inherited;
    const state = source === undefined ? 'active' : 'copying';
    const times = [lastTimeMs, lastTimeMs];
    const fresh = [range.id, range.start, range.end, 0, '', incarnation, 0, noneBeyond, 0, 0, 0, -1, ''];
    // Somebody else may insert it first.
    await tx.insert(rangeProgressTable, [[...fresh, ...times, state]], 'ignore');
    return (await claimRow(tx, range.id, { epoch, instance, incarnation })) ?? missingRow(range.id);
  });
}

type Inherited = { readonly incarnation: number; readonly lastTimeMs: number } | { readonly waitsFor: string };

/**
 * What a range that was never claimed has from those that it replaces, once all of them are drained: time does not
 * go back for a contact. Their rows are locked, so that none of them can be worked on behind it.
 */
async function inherit(tx: Transaction, replaced: readonly string[], least: number): Promise<Inherited> {
  let [incarnation, lastTimeMs] = [least, 0];
  for (const id of replaced.toSorted()) {
    const row = await findRow(tx, id);
    if (row?.['state'] !== 'drained') return { waitsFor: id };
    const progress = progressOf(row);
    incarnation = Math.max(incarnation, progress.incarnation);
    lastTimeMs = Math.max(lastTimeMs, progress.lastTimeMs);
  }
  return { incarnation, lastTimeMs };
}

/** Undefined: the range has no row yet. A row keeps the incarnation that it has, if that is higher. */
async function claimRow(
  tx: Transaction,
  rangeId: string,
  { epoch, instance, incarnation }: Pick<Progress, 'epoch' | 'instance' | 'incarnation'>,
): Promise<Claim | undefined> {
  const matched = await tx.run(
    `UPDATE range_progress SET epoch = ?, instance = ?, holder = ?,
       incarnation = CASE WHEN incarnation < ? THEN ? ELSE incarnation END
     WHERE range_id = ? AND state IN ('active', 'copying') AND (epoch < ? OR (epoch = ? AND instance = ?))`,
    [epoch, instance, tx.connectionId, incarnation, incarnation, rangeId, epoch, epoch, instance],
  );
  const row = await findRow(tx, rangeId);
  if (row === undefined) return undefined;
  const progress = progressOf(row);
  const isCopying = row['state'] === 'copying';
  if (matched === 1) return { kind: isCopying ? 'copies' : 'claimed', progress };
  if (row['state'] === 'drained') return { kind: 'drained' };
  return { kind: 'refused', epoch: progress.epoch };
}

/**
 * The door: fence, then `write`, in one transaction. All rows are ready before it is called, and
 * `write` awaits nothing but the transaction.
 */
export async function commitThroughFence(
  store: Store,
  rangeId: string,
  held: Progress,
  advance: Advance,
  write: (tx: Transaction) => Promise<void>,
): Promise<Outcome> {
  const next: Progress = { ...held, ...advance, commitNo: held.commitNo + 1 };
  try {
    return await store.transaction(async (tx): Promise<Outcome> => {
      const matched = await tx.run(
        `UPDATE range_progress
         SET next_offset = ?, done_beyond = ?, commit_no = commit_no + 1, event_no = ?, published_no = ?,
             last_offset = ?, last_id = ?, last_time_ms = ?, floor_time_ms = ?, holder = ?
         WHERE range_id = ? AND epoch = ? AND instance = ? AND incarnation = ?
           AND next_offset = ? AND commit_no = ? AND state = 'active'`,
        [
          next.nextOffset,
          next.doneBeyond,
          next.eventNo,
          next.publishedNo,
          next.lastOffset,
          next.lastId,
          next.lastTimeMs,
          next.floorTimeMs,
          tx.connectionId,
          rangeId,
          held.epoch,
          held.instance,
          held.incarnation,
          held.nextOffset,
          held.commitNo,
        ],
      );
      if (matched !== 1) throw new Rollback(whyNotMatched(await readRow(tx, rangeId), held));
      await write(tx);
      return { kind: 'committed', progress: next };
    });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.kind === 'unknown') return { kind: 'unknown' };
    if (error.kind === 'refused' || error.kind === 'unavailable') return { kind: 'refused', error };
    throw error;
  }
}

/** After `unknown`: reads the row under a lock, which waits until the lost commit is decided. */
export async function resolveUnknown(store: Store, rangeId: string, held: Progress): Promise<Outcome> {
  const row = await store.transaction((tx) => readRow(tx, rangeId));
  const now = progressOf(row);
  const mine = now.epoch === held.epoch && now.instance === held.instance;
  if (mine && now.commitNo === held.commitNo + 1) return { kind: 'committed', progress: now };
  if (mine && now.commitNo === held.commitNo) {
    return { kind: 'refused', error: new StoreError('refused', 'the commit did not happen') };
  }
  return whyNotMatched(row, held);
}

function whyNotMatched(row: Row, held: Progress): Outcome {
  const now = progressOf(row);
  if (now.epoch !== held.epoch || now.instance !== held.instance) return { kind: 'fenced', epoch: now.epoch };
  if (row['state'] !== 'active') return { kind: 'drained' };
  return { kind: 'rolled_back' };
}

async function readRow(tx: Transaction, rangeId: string): Promise<Row> {
  return (await findRow(tx, rangeId)) ?? missingRow(rangeId);
}

async function findRow(tx: Transaction, rangeId: string): Promise<Row | undefined> {
  const [row] = await tx.queryForUpdate('SELECT * FROM range_progress WHERE range_id = ?', [rangeId]);
  return row;
}

function missingRow(rangeId: string): never {
  throw new Error(`range ${rangeId} has no fence row`);
}

function progressOf(row: Row): Progress {
  const number = (column: string): number => Number(row[column]);
  const doneBeyond = row['done_beyond'];
  if (!(doneBeyond instanceof Uint8Array)) throw new Error('a fence row does not say what is done beyond its offset');
  return {
    epoch: number('epoch'),
    instance: String(row['instance']),
    incarnation: number('incarnation'),
    nextOffset: number('next_offset'),
    doneBeyond,
    commitNo: number('commit_no'),
    eventNo: number('event_no'),
    publishedNo: number('published_no'),
    lastOffset: number('last_offset'),
    lastId: String(row['last_id']),
    lastTimeMs: number('last_time_ms'),
    floorTimeMs: number('floor_time_ms'),
  };
}
