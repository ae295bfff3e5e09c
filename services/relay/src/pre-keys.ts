/** The prekeys that a device has uploaded: stored, counted, replaced, removed. */
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { PreKeyBundleSchema, type KyberPreKey, type PreKey, type SignedPreKey } from '@chappe/proto/device/keys';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { Store, Table, Transaction } from '@chappe/store/store';
import { checkPreKeys, replaceSignedKeys } from './device-keys.ts';
import { claimLifeMs, preKeysStoredMax, usedPreKeyLifeMs } from './limits.ts';
import { bytes, integer, query, transact } from './relay-store.ts';

export interface Upload {
  readonly preKeys: readonly PreKey[];
  readonly signedPreKey: SignedPreKey | undefined;
  readonly lastResortKyberPreKey: KyberPreKey | undefined;
}

const preKeysTable: Table = {
  name: 'relay_one_time_pre_keys',
  key: ['contact', 'device', 'id'],
  columns: ['contact', 'device', 'id', 'public_key'],
};

/**
 * Adds one-time keys and replaces signed ones; the number of unused one-time keys. Ids that are
 * there or were given out are passed over, so that a repeated upload changes nothing.
 *
 * @throws ChappeError `parameterInvalid`, `invalidRequest` (too many stored)
 */
export async function upload(
  store: Store,
  contact: PhoneNumber,
  device: number,
  keys: Upload,
  nowMs: number,
): Promise<number> {
  checkPreKeys(keys.preKeys);
  return transact(store, async (tx) => {
    // As claims do: a key that a claim takes at this moment must not be brought back.
    await tx.queryForUpdate('SELECT device FROM relay_devices WHERE contact = ? AND device = ?', [contact, device]);
    await replaceSigned(tx, contact, device, keys, nowMs);
    await insertPreKeys(tx, contact, device, keys.preKeys);
    const count = await countIn(tx, contact, device);
    if (count > preKeysStoredMax) {
      throw new ChappeError(
        'invalidRequest',
        `pre_keys: at most ${preKeysStoredMax} unused ones are kept for a device`,
      );
    }
    return count;
  });
}

export async function insertPreKeys(
  tx: Transaction,
  contact: PhoneNumber,
  device: number,
  preKeys: readonly PreKey[],
): Promise<void> {
  if (preKeys.length === 0) return;
  const used = await tx.query('SELECT id FROM relay_used_pre_keys WHERE contact = ? AND device = ?', [contact, device]);
  const usedIds = new Set(used.map((row) => integer(row, 'id')));
  const rows = preKeys
    .filter(({ id }) => !usedIds.has(id))
    .map(({ id, publicKey }) => [contact, device, id, publicKey]);
  if (rows.length > 0) await tx.insert(preKeysTable, rows, 'ignore');
}

/** How many unused one-time keys a device has. */
export async function countPreKeys(store: Store, contact: PhoneNumber, device: number): Promise<number> {
  const [row] = await query(store, countSql, [contact, device]);
  return row === undefined ? 0 : integer(row, 'count');
}

/** Removes a device's keys; what claims name stays until they have ended. */
export async function removeKeysOf(
  tx: Transaction,
  contact: PhoneNumber,
  device: number,
  nowMs: number,
): Promise<void> {
  await tx.run('DELETE FROM relay_one_time_pre_keys WHERE contact = ? AND device = ?', [contact, device]);
  await tx.run(
    'UPDATE relay_device_keys SET replaced_at_ms = ? WHERE contact = ? AND device = ? AND replaced_at_ms IS NULL',
    [nowMs, contact, device],
  );
}

/** Removes replaced keys and the memory of used ones when nothing can name them any more. */
export async function purgeKeys(tx: Transaction, nowMs: number): Promise<void> {
  await tx.run('DELETE FROM relay_device_keys WHERE replaced_at_ms < ?', [nowMs - claimLifeMs]);
  await tx.run('DELETE FROM relay_used_pre_keys WHERE used_at_ms < ?', [nowMs - usedPreKeyLifeMs]);
}

const countSql = 'SELECT COUNT(*) AS count FROM relay_one_time_pre_keys WHERE contact = ? AND device = ?';

async function countIn(tx: Transaction, contact: PhoneNumber, device: number): Promise<number> {
  const [row] = await tx.query(countSql, [contact, device]);
  return row === undefined ? 0 : integer(row, 'count');
}

async function replaceSigned(
  tx: Transaction,
  contact: PhoneNumber,
  device: number,
  keys: Upload,
  nowMs: number,
): Promise<void> {
  if (keys.signedPreKey === undefined && keys.lastResortKyberPreKey === undefined) return;
  const [row] = await tx.queryForUpdate(
    `SELECT k.version, k.bundle FROM relay_devices d
       JOIN relay_device_keys k ON k.contact = d.contact AND k.device = d.device AND k.version = d.keys_version
      WHERE d.contact = ? AND d.device = ? AND d.state = 'active'`,
    [contact, device],
  );
  if (row === undefined) throw new ChappeError('unauthenticated', 'the device was removed; register again');
  const former = bytes(row, 'bundle');
  const bundle = replaceSignedKeys(
    decodeMessage(PreKeyBundleSchema, former),
    keys.signedPreKey,
    keys.lastResortKyberPreKey,
  );
  if (bundle === undefined) return;
  const stored = encodeMessage(PreKeyBundleSchema, bundle);
  if (Buffer.compare(stored, former) === 0) return;

  const version = Math.max(nowMs, integer(row, 'version') + 1);
  await tx.run(
    'UPDATE relay_device_keys SET replaced_at_ms = ? WHERE contact = ? AND device = ? AND replaced_at_ms IS NULL',
    [nowMs, contact, device],
  );
  await tx.run(
    'INSERT INTO relay_device_keys (contact, device, version, bundle, replaced_at_ms) VALUES (?, ?, ?, ?, NULL)',
    [contact, device, version, stored],
  );
  await tx.run('UPDATE relay_devices SET keys_version = ? WHERE contact = ? AND device = ?', [
    version,
    contact,
    device,
  ]);
}
