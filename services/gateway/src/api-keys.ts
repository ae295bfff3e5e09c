/**
 * API keys: 256 random bits, of which only a SHA-256 digest is kept.
 *
 * A key is shown once, when it is made. Its look-up is by digest, so its time tells nothing about
 * other keys.
 */
import type { OnConflict, Row, SqlValue, Store, Table } from '@chappe/store/store';
import { hash, randomBytes, randomUUID } from 'node:crypto';

export interface ApiKeyRecord {
  readonly id: string;
  readonly business: string;
  /** The first characters, to tell keys apart. */
  readonly hint: string;
  readonly label: string;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | undefined;
}

export interface NewApiKey {
  readonly key: string;
  readonly digest: Uint8Array;
  readonly record: ApiKeyRecord;
}

const prefix = 'ck_';
const hintCharacters = prefix.length + 6;

const apiKeysTable: Table = {
  name: 'api_keys',
  key: ['digest'],
  columns: ['digest', 'id', 'business', 'hint', 'label', 'created_at_ms', 'revoked_at_ms'],
};

export function makeApiKey(business: string, label: string, nowMs: number): NewApiKey {
  const key = prefix + randomBytes(32).toString('base64url');
  const id = `key-${randomUUID()}`;
  const record = {
    id,
    business,
    hint: key.slice(0, hintCharacters),
    label,
    createdAtMs: nowMs,
    revokedAtMs: undefined,
  };
  return { key, digest: digestOfKey(key), record };
}

export function digestOfKey(key: string): Buffer {
  return hash('sha256', key, 'buffer');
}

/** The table and row of a new key, for the transaction that makes it. */
export function apiKeyInsert({ digest, record }: NewApiKey): [Table, SqlValue[][], OnConflict] {
  const { id, business, hint, label, createdAtMs } = record;
  return [apiKeysTable, [[digest, id, business, hint, label, createdAtMs, null]], 'fail'];
}

/** The business whose key this is, while it is in force. */
export async function businessOfKey(store: Store, digest: Uint8Array): Promise<string | undefined> {
  const [row] = await store.query('SELECT business FROM api_keys WHERE digest = ? AND revoked_at_ms IS NULL', [digest]);
  return row === undefined ? undefined : String(row['business']);
}

export async function readApiKeys(store: Store, business: string): Promise<ApiKeyRecord[]> {
  const rows = await store.query('SELECT * FROM api_keys WHERE business = ? ORDER BY created_at_ms, id', [business]);
  return rows.map(recordOf);
}

/** Whether there is such a key. A key that was revoked before keeps its time. */
export async function revokeApiKey(store: Store, business: string, id: string, nowMs: number): Promise<boolean> {
  return store.transaction(async (tx) => {
    const [row] = await tx.queryForUpdate('SELECT revoked_at_ms FROM api_keys WHERE business = ? AND id = ?', [
      business,
      id,
    ]);
    if (row === undefined) return false;
    if (row['revoked_at_ms'] !== null) return true;
    await tx.run('UPDATE api_keys SET revoked_at_ms = ? WHERE business = ? AND id = ?', [nowMs, business, id]);
    return true;
  });
}

function recordOf(row: Row): ApiKeyRecord {
  const revoked = row['revoked_at_ms'];
  return {
    id: String(row['id']),
    business: String(row['business']),
    hint: String(row['hint']),
    label: String(row['label']),
    createdAtMs: Number(row['created_at_ms']),
    revokedAtMs: typeof revoked === 'number' ? revoked : undefined,
  };
}
