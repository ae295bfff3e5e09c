/**
 * Idempotency keys: which message id a business's key stands for (docs/protocols.md, 4.4).
 *
 * Invariant: a key is committed before the message's append, so that a repeat after any fault finds
 * the same id.
 */
import type { Row, Store, Table } from '@chappe/store/store';

export interface KeyClaim {
  readonly business: string;
  readonly key: string;
  readonly digest: Uint8Array;
  /** The id that the message gets if the key is new. */
  readonly messageId: string;
}

export type Claimed =
  | { readonly kind: 'claimed'; readonly messageId: string }
  /** The key stands for another request. */
  | { readonly kind: 'reused' };

const table: Table = {
  name: 'request_keys',
  key: ['business', 'request_key'],
  columns: ['business', 'request_key', 'message_id', 'digest', 'created_at_ms'],
};

/** Lists of keys are read in chunks of one size, so that one prepared statement serves them. */
const readChunk = 50;

/** One transaction for all of them; one answer for each, in order. @throws StoreError */
export async function claimRequestKeys(store: Store, claims: readonly KeyClaim[], nowMs: number): Promise<Claimed[]> {
  const rows = claims.map(({ business, key, messageId, digest }) => [business, key, messageId, digest, nowMs]);
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
  return claims.map((claim) => {
    const row = standing?.get(nameOf(claim.business, claim.key));
    if (row === undefined) return { kind: 'claimed', messageId: claim.messageId };
    const digest = row['digest'];
    if (!(digest instanceof Uint8Array) || Buffer.compare(digest, claim.digest) !== 0) return { kind: 'reused' };
    return { kind: 'claimed', messageId: String(row['message_id']) };
  });
}

const readSql = `SELECT business, request_key, message_id, digest FROM request_keys WHERE business = ? AND request_key IN (${Array(readChunk).fill('?').join(', ')})`;

function nameOf(business: string, key: string): string {
  return `${business}/${key}`;
}
