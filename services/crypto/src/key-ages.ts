/** How old keys are, for those who look after them: from the tables, by queries that look at a row a day at most. */
import type { Store } from '@chappe/store/store';
import type { KeyEncryptionKeys } from './key-encryption-keys.ts';
import { dayMs } from './limits.ts';

export interface KeyAges {
  /** Since the first day on which the key-encryption key that wraps now wrapped a key of a day; 0: it has not yet. */
  readonly keyEncryptionKeyMs: number;
  /** Keys of a day that older key-encryption keys wrapped: while there are any, those may not go. */
  readonly wrappedByOlder: number;
  /** Of the oldest data key, counted from the end of its day, and of the oldest prekey of a number; 0: there is none. */
  readonly oldestDataKeyMs: number;
  readonly oldestPreKeyMs: number;
}

/** @throws StoreError */
export async function readKeyAges(store: Store, { id }: KeyEncryptionKeys, nowMs: number): Promise<KeyAges> {
  const [mine] = await store.query('SELECT MIN(day) AS day FROM sealing_keys WHERE kek_id = ?', [id]);
  const [older] = await store.query('SELECT COUNT(*) AS wrapped FROM sealing_keys WHERE kek_id <> ?', [id]);
  const [dataKey] = await store.query('SELECT MIN(day) AS day FROM data_keys');
  const [preKey] = await store.query('SELECT MIN(created_at_ms) AS made FROM number_prekeys');
  const since = (ms: number | undefined): number => (ms === undefined ? 0 : Math.max(0, nowMs - ms));
  const [firstDay, dataDay] = [numberIn(mine?.['day']), numberIn(dataKey?.['day'])];
  return {
    keyEncryptionKeyMs: since(firstDay === undefined ? undefined : firstDay * dayMs),
    wrappedByOlder: Number(older?.['wrapped'] ?? 0),
    oldestDataKeyMs: since(dataDay === undefined ? undefined : (dataDay + 1) * dayMs),
    oldestPreKeyMs: since(numberIn(preKey?.['made'])),
  };
}

/** A minimum over no rows is NULL. */
function numberIn(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
