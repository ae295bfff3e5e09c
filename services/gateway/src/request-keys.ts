/**
 * Idempotency keys: which message id a business's key stands for (docs/protocols.md, 4.4).
 *
 * Invariant: a key is committed before the message's append, so that a repeat after any fault finds
 * the same id.
 */
import { timingSafeEqual } from 'node:crypto';
import { toChappeError, type ChappeError } from '@chappe/errors/chappe-error';
import type { SealKey } from '@chappe/seal/seal';
import type { Row, Store, Table } from '@chappe/store/store';
import { dayOf } from './data-keys.ts';
import { keyedDigest } from './request-digest.ts';

export interface KeyClaim {
  readonly business: string;
  readonly key: string;
  /** Of the content; only an HMAC of it is kept. */
  readonly digest: Uint8Array;
  /** The data key of today. */
  readonly dataKey: SealKey;
  /** The id that the message gets if the key is new. */
  readonly messageId: string;
}

export type Claimed =
  | { readonly kind: 'claimed'; readonly messageId: string }
  /** The key stands for another request. */
  | { readonly kind: 'reused' }
  /** What it stands for cannot be told now. */
  | { readonly kind: 'failed'; readonly error: ChappeError };

/** The data key of a day, counted from 1970; undefined: it was destroyed. */
export type FindDataKey = (business: string, day: number) => Promise<SealKey | undefined>;

const table: Table = {
  name: 'request_keys',
  key: ['business', 'request_key'],
  columns: ['business', 'request_key', 'message_id', 'digest', 'digest_day', 'created_at_ms'],
};

/** Lists of keys are read in chunks of one size, so that one prepared statement serves them. */
const readChunk = 50;

/** One transaction for all of them; one answer for each, in order. @throws StoreError */
export async function claimRequestKeys(
  store: Store,
  findDataKey: FindDataKey,
  claims: readonly KeyClaim[],
  nowMs: number,
): Promise<Claimed[]> {
  const rows = claims.map(({ business, key, messageId, digest, dataKey }) => [
    business,
    key,
    messageId,
    keyedDigest(dataKey, digest),
    dayOf(dataKey),
    nowMs,
  ]);
  const standing = await store.transaction(async (tx) => {
    const added = await tx.insert(table, rows, 'ignore');
    if (added === claims.length) return undefined;
    const found: Row[] = [];
    for (const [business, ofBusiness] of Map.groupBy(claims, (claim) => claim.business)) {
      for (let from = 0; from < ofBusiness.length; from += readChunk) {
        const keys = ofBusiness.slice(from, from + readChunk).map(({ key }) => key);
        const padded = [...keys, ...Array<string>(readChunk - keys.length).fill(keys[0] ?? '')];
        found.push(...(await tx.query(readSql, [business, ...padded])));
      }
    }
    return new Map(found.map((row) => [nameOf(String(row['business']), String(row['request_key'])), row]));
  });
  if (standing === undefined) return claims.map(({ messageId }) => ({ kind: 'claimed', messageId }));
  return Promise.all(
    claims.map(async (claim): Promise<Claimed> => {
      const row = standing.get(nameOf(claim.business, claim.key));
      return row === undefined ? { kind: 'claimed', messageId: claim.messageId } : compared(claim, row, findDataKey);
    }),
  );
}

/** The row may be of an earlier day: then its digest was made with that day's key. */
async function compared(claim: KeyClaim, row: Row, findDataKey: FindDataKey): Promise<Claimed> {
  const { digest, digest_day: day, message_id: messageId } = row;
  try {
    const key = day === dayOf(claim.dataKey) ? claim.dataKey : await findDataKey(claim.business, Number(day));
    const isSame =
      key !== undefined && digest instanceof Uint8Array && timingSafeEqual(digest, keyedDigest(key, claim.digest));
    return isSame ? { kind: 'claimed', messageId: String(messageId) } : { kind: 'reused' };
  } catch (error) {
    return { kind: 'failed', error: toChappeError(error) };
  }
}

const readSql = `SELECT business, request_key, message_id, digest, digest_day FROM request_keys WHERE business = ? AND request_key IN (${Array(readChunk).fill('?').join(', ')})`;

function nameOf(business: string, key: string): string {
  return `${business}/${key}`;
}
