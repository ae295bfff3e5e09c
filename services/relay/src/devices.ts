/**
 * The registered devices: who they are, by credential, and the steps of a registration.
 *
 * A registration is `pending` until its contact's log has it, and only an `active` device's
 * credential opens anything. Numbers of removed devices stay taken until all others are used, so
 * that what still travels for an old device never meets a new one.
 */
import { createHash, randomBytes } from 'node:crypto';
import { encodeMessage } from '@chappe/codec/codec';
import { ChappeError } from '@chappe/errors/chappe-error';
import { phoneNumberFromDigits, type PhoneNumber } from '@chappe/numbers/phone-number';
import { PreKeyBundleSchema, type PreKey, type PreKeyBundle } from '@chappe/proto/device/keys';
import { StoreError, type Row, type Store, type Table, type Transaction } from '@chappe/store/store';
import { deviceNumberMax, devicesPerContactMax, registrationMs } from './limits.ts';
import { insertPreKeys, removeKeysOf } from './pre-keys.ts';
import { forgetLinkCodes, useProof, type Proof, type RestoreProof } from './registration-codes.ts';
import { integer, query, text, transact } from './relay-store.ts';

export interface RegisteredDevice {
  readonly contact: PhoneNumber;
  readonly device: number;
}

/** A registration that the log does not have yet. */
export interface PendingRegistration {
  readonly contact: PhoneNumber;
  readonly device: number;
  readonly credential: string;
  readonly restoreProof: RestoreProof;
}

export interface NewDevice {
  readonly contact: PhoneNumber;
  readonly proof: Proof;
  readonly bundle: PreKeyBundle;
  readonly preKeys: readonly PreKey[];
}

const devicesTable: Table = {
  name: 'relay_devices',
  key: ['contact', 'device'],
  columns: ['contact', 'device', 'state', 'credential_digest', 'keys_version', 'registered_at_ms', 'removed_at_ms'],
};

const deviceKeysTable: Table = {
  name: 'relay_device_keys',
  key: ['contact', 'device', 'version'],
  columns: ['contact', 'device', 'version', 'bundle', 'replaced_at_ms'],
};

/** @throws ChappeError `unauthenticated` */
export async function authenticate(store: Store, credential: string): Promise<RegisteredDevice> {
  const sql = `SELECT contact, device FROM relay_devices WHERE credential_digest = ? AND state = 'active'`;
  const [row] = credential === '' ? [] : await query(store, sql, [digestOf(credential)]);
  if (row === undefined)
    throw new ChappeError('unauthenticated', 'no device has this credential, or it was removed; register again');
  return {
    contact: phoneNumberFromDigits(text(row, 'contact')),
    device: integer(row, 'device'),
  };
}

/**
 * Uses the proof up and writes the device down as pending.
 *
 * @throws ChappeError `parameterInvalid` (wrong proof, too many devices), `tooManyRequests`
 *   (another registration of the number is under way)
 */
export async function beginRegistration(store: Store, device: NewDevice, nowMs: number): Promise<PendingRegistration> {
  try {
    const begun = await transact(store, (tx) => begin(tx, device, nowMs));
    // A wrong proof was counted, so its transaction is committed before it is refused.
    if ('refused' in begun) throw new ChappeError('parameterInvalid', begun.refused);
    return begun;
  } catch (error) {
    if (error instanceof StoreError && error.kind === 'conflict') throw underWay();
    throw error;
  }
}

/** Makes the device usable, once the log has it. The devices that it replaced, if any. */
export async function activate(
  store: Store,
  registration: PendingRegistration,
  primary: boolean,
  nowMs: number,
): Promise<number[]> {
  const { contact, device } = registration;
  return transact(store, async (tx) => {
    const activated = await tx.run(
      `UPDATE relay_devices SET state = 'active' WHERE contact = ? AND device = ? AND state = 'pending'`,
      [contact, device],
    );
    if (activated !== 1) throw underWay();
    if (!primary) return [];
    const rows = await tx.queryForUpdate(
      `SELECT device FROM relay_devices WHERE contact = ? AND device <> ? AND state <> 'removed'`,
      [contact, device],
    );
    const replaced = rows.map((row) => integer(row, 'device'));
    for (const other of replaced) await remove(tx, contact, other, nowMs);
    // Whoever was removed must not come back by a code made before.
    await forgetLinkCodes(tx, contact);
    return replaced;
  });
}

/** Takes a registration back that the log does not have; its proof is good again. */
export async function abandon(store: Store, registration: PendingRegistration, nowMs: number): Promise<void> {
  await transact(store, async (tx) => {
    await remove(tx, registration.contact, registration.device, nowMs);
    await registration.restoreProof(tx);
  });
}

async function begin(
  tx: Transaction,
  device: NewDevice,
  nowMs: number,
): Promise<PendingRegistration | { refused: string }> {
  const { contact, proof, bundle, preKeys } = device;
  const verdict = await useProof(tx, contact, proof, nowMs);
  if (verdict.kind === 'refused') return { refused: verdict.detail };

  const rows = await tx.queryForUpdate(
    'SELECT device, state, registered_at_ms, removed_at_ms FROM relay_devices WHERE contact = ?',
    [contact],
  );
  for (const row of rows.filter(({ state }) => state === 'pending')) {
    if (nowMs - integer(row, 'registered_at_ms') < registrationMs) throw underWay();
    await remove(tx, contact, integer(row, 'device'), nowMs);
  }
  const active = rows.filter(({ state }) => state === 'active').length;
  if (proof.kind === 'link_code' && active >= devicesPerContactMax) {
    throw new ChappeError('parameterInvalid', `link_code: the number has ${devicesPerContactMax} devices already`);
  }

  const number = await freeNumber(tx, contact, rows);
  const credential = randomBytes(32).toString('base64url');
  // Versions only grow, also over two lives of a device number, which lie far apart.
  const version = nowMs;
  const row = [contact, number, 'pending', digestOf(credential), version, nowMs, null];
  await tx.insert(devicesTable, [row], 'fail');
  const stored = encodeMessage(PreKeyBundleSchema, { ...bundle, device: number });
  await tx.insert(deviceKeysTable, [[contact, number, version, stored, null]], 'replace');
  await insertPreKeys(tx, contact, number, preKeys);
  return { contact, device: number, credential, restoreProof: verdict.restore };
}

/** The lowest number never used, or, when there is none, the one that was removed first. */
async function freeNumber(tx: Transaction, contact: PhoneNumber, rows: readonly Row[]): Promise<number> {
  const used = new Set(rows.map((row) => integer(row, 'device')));
  for (let number = 1; number <= deviceNumberMax; number += 1) {
    if (!used.has(number)) return number;
  }
  const [oldest] = await tx.query(
    `SELECT device FROM relay_devices WHERE contact = ? AND state = 'removed' ORDER BY removed_at_ms, device LIMIT 1`,
    [contact],
  );
  if (oldest === undefined) throw new Error('more devices than the limit allows');
  const number = integer(oldest, 'device');
  await tx.run('DELETE FROM relay_devices WHERE contact = ? AND device = ?', [contact, number]);
  await tx.run('DELETE FROM relay_used_pre_keys WHERE contact = ? AND device = ?', [contact, number]);
  return number;
}

async function remove(tx: Transaction, contact: PhoneNumber, device: number, nowMs: number): Promise<void> {
  await tx.run(
    `UPDATE relay_devices SET state = 'removed', credential_digest = NULL, removed_at_ms = ? WHERE contact = ? AND device = ?`,
    [nowMs, contact, device],
  );
  await removeKeysOf(tx, contact, device, nowMs);
}

function digestOf(credential: string): Buffer {
  return createHash('sha256').update(credential).digest();
}

function underWay(): ChappeError {
  return new ChappeError('tooManyRequests', 'another registration of this number is under way', {
    retryAfterMs: registrationMs,
  });
}
