/**
 * The row that says how far a consumer got in a bucket, and whose work counts: the fence of
 * docs/protocols.md, section 1. Nothing else writes `event_progress`.
 */
import type { KnownRecord } from '@chappe/log/log';
import type { Row, Store, Transaction } from '@chappe/store/store';
import { Rollback } from '@chappe/store/store';
import { join } from 'node:path';

/** Where the migrations are, for `migrate(store, { service: 'event-consumer', directory })`. */
export const eventConsumerMigrations = join(import.meta.dirname, '..', 'migrations');

/** What an instance claimed: it works under this epoch only. */
export interface Claim {
  readonly consumer: string;
  readonly bucket: number;
  readonly instance: string;
  readonly epoch: number;
}

export interface Claimed {
  readonly claim: Claim;
  readonly nextOffset: number;
  /** The record before it. */
  readonly last: KnownRecord | undefined;
}

const table = {
  name: 'event_progress',
  key: ['consumer', 'bucket'],
  columns: ['consumer', 'bucket', 'epoch', 'instance', 'next_offset', 'last_offset', 'last_id'],
};

/** Takes the row under a new epoch. From its commit on, no earlier claim can change anything. */
export function claimBucket(store: Store, consumer: string, bucket: number, instance: string): Promise<Claimed> {
  return store.transaction(async (tx) => {
    await tx.insert(table, [[consumer, bucket, 0, instance, 0, -1, '']], 'ignore');
    await tx.run('UPDATE event_progress SET epoch = epoch + 1, instance = ? WHERE consumer = ? AND bucket = ?', [
      instance,
      consumer,
      bucket,
    ]);
    const [row] = await tx.query(
      'SELECT epoch, next_offset, last_offset, last_id FROM event_progress WHERE consumer = ? AND bucket = ?',
      [consumer, bucket],
    );
    if (row === undefined) throw new Error('a claimed row is not there');
    const claim = { consumer, bucket, instance, epoch: Number(row['epoch']) };
    const lastOffset = Number(row['last_offset']);
    const last = lastOffset < 0 ? undefined : { offset: lastOffset, id: String(row['last_id']) };
    return { claim, nextOffset: Number(row['next_offset']), last };
  });
}

/**
 * Does work and moves the offset from `from` to behind `last` in one transaction, if the claim still
 * holds: first the compare-and-set, then the work.
 *
 * @throws StoreError, or what `work` throws; then nothing happened, but for `unknown`
 */
export function advance(
  store: Store,
  claim: Claim,
  from: number,
  last: KnownRecord,
  work: (tx: Transaction) => Promise<void>,
): Promise<'committed' | 'fenced'> {
  return store.transaction<'committed' | 'fenced'>(async (tx) => {
    const matched = await tx.run(
      `UPDATE event_progress SET next_offset = ?, last_offset = ?, last_id = ?
       WHERE consumer = ? AND bucket = ? AND epoch = ? AND instance = ? AND next_offset = ?`,
      [last.offset + 1, last.offset, last.id, claim.consumer, claim.bucket, claim.epoch, claim.instance, from],
    );
    if (matched !== 1) throw new Rollback<'fenced'>('fenced');
    await work(tx);
    return 'committed';
  });
}

const standing =
  'SELECT next_offset FROM event_progress WHERE consumer = ? AND bucket = ? AND epoch = ? AND instance = ?';

/** Where a claim stands while nothing of it is under way; undefined if it no longer holds. */
export async function standsAt(store: Store, claim: Claim): Promise<number | undefined> {
  return offsetOf(await store.query(standing, [claim.consumer, claim.bucket, claim.epoch, claim.instance]));
}

/**
 * Where a claim stands, after a commit whose outcome is not known; undefined if it no longer
 * holds. Locks the row, so that it waits until the doubtful transaction is decided.
 */
export function reread(store: Store, claim: Claim): Promise<number | undefined> {
  return store.transaction(async (tx) =>
    offsetOf(await tx.queryForUpdate(standing, [claim.consumer, claim.bucket, claim.epoch, claim.instance])),
  );
}

function offsetOf([row]: readonly Row[]): number | undefined {
  return row === undefined ? undefined : Number(row['next_offset']);
}
