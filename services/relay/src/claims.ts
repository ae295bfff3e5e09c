/**
 * PreKeyService.Claim: bundles for the range workers, each one-time key for one claim id only.
 *
 * A call is one transaction. A claim is remembered with what it was given, so the same id gets the
 * same bundle as long as a worker may repeat it. A `pending` device counts: a worker knows it only
 * from the log, and what the log has is registered.
 */
import { create } from '@bufbuild/protobuf';
import { decodeMessage } from '@chappe/codec/codec';
import { PreKeyBundleSchema, PreKeySchema, type PreKeyBundle } from '@chappe/proto/device/keys';
import type { PreKeyClaim } from '@chappe/proto/internal/pre_key_service';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Row, SqlValue, Store, Table, Transaction } from '@chappe/store/store';
import type { ClaimedKey } from './events.ts';
import { claimLifeMs, claimsPerCallMax, preKeysLowWater } from './limits.ts';
import { bytes, integer, text, transact } from './relay-store.ts';

export interface ClaimOutcome {
  /** One for each claim, in order; `undefined`: the device is unknown. */
  readonly bundles: readonly (PreKeyBundle | undefined)[];
  /** What each claim was given, for the counters. */
  readonly given: readonly ClaimedKey[];
  /** Devices that have few one-time keys left. */
  readonly low: readonly { readonly contact: string; readonly device: number }[];
}

const claimsTable: Table = {
  name: 'relay_pre_key_claims',
  key: ['claim_id'],
  columns: ['claim_id', 'contact', 'device', 'keys_version', 'pre_key_id', 'public_key', 'claimed_at_ms'],
};

const usedTable: Table = {
  name: 'relay_used_pre_keys',
  key: ['contact', 'device', 'id'],
  columns: ['contact', 'device', 'id', 'used_at_ms'],
};

/** Lists in SQL have one of these lengths, filled up with repeats, so that few statements are prepared. */
const listLengths = [1, 8, 64, claimsPerCallMax];

/** A device as one call meets it. */
interface ClaimedDevice {
  readonly contact: string;
  readonly device: number;
  readonly version: number;
  readonly bundle: PreKeyBundle;
  readonly preKeys: readonly Row[];
  taken: number;
}

/** @throws ChappeError `invalidRequest` */
export async function claim(store: Store, claims: readonly PreKeyClaim[], nowMs: number): Promise<ClaimOutcome> {
  if (claims.length > claimsPerCallMax)
    throw new ChappeError('invalidRequest', `at most ${claimsPerCallMax} claims are taken in one call`);
  for (const { claimId, contact } of claims) {
    if (claimId === '' || claimId.length > 255 || contact === '') {
      throw new ChappeError('invalidRequest', 'a claim has an id of 1 to 255 characters and a contact');
    }
  }
  if (claims.length === 0) return { bundles: [], given: [], low: [] };
  return transact(store, (tx) => claimAll(tx, claims, nowMs));
}

/** Forgets claims that no worker repeats any more. */
export async function purgeClaims(tx: Transaction, nowMs: number): Promise<void> {
  await tx.run('DELETE FROM relay_pre_key_claims WHERE claimed_at_ms < ?', [nowMs - claimLifeMs]);
}

async function claimAll(tx: Transaction, claims: readonly PreKeyClaim[], nowMs: number): Promise<ClaimOutcome> {
  // The devices are locked before the claims are read: a repeated claim that runs at the same time
  // waits here, and then finds what the first one was given.
  const rows = await lockDevices(tx, claims);
  const known = await knownClaims(tx, claims, nowMs);
  const fresh = claims.filter(({ claimId }) => !known.has(claimId));
  const devices = await claimedDevices(tx, rows, fresh);

  const given: ClaimedKey[] = [];
  const claimRows: SqlValue[][] = [];
  const bundles = claims.map((wanted) => {
    const before = known.get(wanted.claimId);
    if (before !== undefined) {
      // An id that is for another device is a fault of the caller, never somebody else's keys.
      const same = before.contact === wanted.contact && before.bundle.device === wanted.device;
      given.push(same ? 'repeat' : 'unknown_device');
      return same ? before.bundle : undefined;
    }
    const device = devices.get(keyOf(wanted));
    if (device === undefined) {
      given.push('unknown_device');
      return undefined;
    }
    const preKey = device.preKeys[device.taken];
    if (preKey !== undefined) device.taken += 1;
    const id = preKey === undefined ? null : integer(preKey, 'id');
    const publicKey = preKey === undefined ? null : bytes(preKey, 'public_key');
    claimRows.push([wanted.claimId, wanted.contact, wanted.device, device.version, id, publicKey, nowMs]);
    given.push(id === null ? 'last_resort' : 'one_time');
    const bundle = withPreKey(device.bundle, id, publicKey);
    known.set(wanted.claimId, { contact: wanted.contact, bundle });
    return bundle;
  });

  await Promise.all([
    // Ids whose claim has ended are claimed anew.
    ...(claimRows.length > 0 ? [tx.insert(claimsTable, claimRows, 'replace')] : []),
    ...takeAway(tx, [...devices.values()], nowMs),
  ]);
  const low = [...devices.values()].filter(({ preKeys, taken }) => preKeys.length - taken < preKeysLowWater);
  return { bundles, given, low };
}

async function knownClaims(
  tx: Transaction,
  claims: readonly PreKeyClaim[],
  nowMs: number,
): Promise<Map<string, { readonly contact: string; readonly bundle: PreKeyBundle }>> {
  const ids = padded(claims.map(({ claimId }) => claimId));
  const rows = await tx.query(
    `SELECT c.claim_id, c.contact, c.pre_key_id, c.public_key, k.bundle FROM relay_pre_key_claims c
       JOIN relay_device_keys k ON k.contact = c.contact AND k.device = c.device AND k.version = c.keys_version
      WHERE c.claimed_at_ms >= ? AND c.claim_id IN (${placeholders(ids)})`,
    [nowMs - claimLifeMs, ...ids],
  );
  return new Map(
    rows.map((row) => {
      const id = row['pre_key_id'] === null ? null : integer(row, 'pre_key_id');
      const publicKey = id === null ? null : bytes(row, 'public_key');
      const bundle = withPreKey(decodeMessage(PreKeyBundleSchema, bytes(row, 'bundle')), id, publicKey);
      return [text(row, 'claim_id'), { contact: text(row, 'contact'), bundle }];
    }),
  );
}

function lockDevices(tx: Transaction, claims: readonly PreKeyClaim[]): Promise<Row[]> {
  const contacts = padded([...new Set(claims.map(({ contact }) => contact))]);
  return tx.queryForUpdate(
    `SELECT d.contact, d.device, k.version, k.bundle FROM relay_devices d
       JOIN relay_device_keys k ON k.contact = d.contact AND k.device = d.device AND k.version = d.keys_version
      WHERE d.state <> 'removed' AND d.contact IN (${placeholders(contacts)})`,
    contacts,
  );
}

async function claimedDevices(
  tx: Transaction,
  rows: readonly Row[],
  claims: readonly PreKeyClaim[],
): Promise<Map<string, ClaimedDevice>> {
  const wanted = new Map<string, number>();
  for (const claimed of claims) wanted.set(keyOf(claimed), (wanted.get(keyOf(claimed)) ?? 0) + 1);
  const ofRows = rows.flatMap((row) => {
    const contact = text(row, 'contact');
    const device = integer(row, 'device');
    const count = wanted.get(keyOf({ contact, device }));
    return count === undefined ? [] : [{ row, contact, device, count }];
  });
  // Without locks of their own: whoever changes a device's keys locks the device first.
  const preKeys = await tx.queryAll(
    ofRows.map(({ contact, device, count }) => ({
      sql: 'SELECT id, public_key FROM relay_one_time_pre_keys WHERE contact = ? AND device = ? ORDER BY id LIMIT ?',
      parameters: [contact, device, count + preKeysLowWater],
    })),
  );
  const devices = new Map<string, ClaimedDevice>();
  for (const [index, { row, contact, device }] of ofRows.entries()) {
    devices.set(keyOf({ contact, device }), {
      contact,
      device,
      version: integer(row, 'version'),
      bundle: decodeMessage(PreKeyBundleSchema, bytes(row, 'bundle')),
      preKeys: preKeys[index] ?? [],
      taken: 0,
    });
  }
  return devices;
}

function takeAway(tx: Transaction, devices: readonly ClaimedDevice[], nowMs: number): Promise<unknown>[] {
  const taken = devices.flatMap(({ contact, device, preKeys, taken: count }) =>
    preKeys.slice(0, count).map((row) => [contact, device, integer(row, 'id')]),
  );
  if (taken.length === 0) return [];
  return [
    tx.runMany('DELETE FROM relay_one_time_pre_keys WHERE contact = ? AND device = ? AND id = ?', taken),
    tx.insert(
      usedTable,
      taken.map((row) => [...row, nowMs]),
      'replace',
    ),
  ];
}

function withPreKey(bundle: PreKeyBundle, id: number | null, publicKey: Uint8Array | null): PreKeyBundle {
  if (id === null || publicKey === null) return bundle;
  return create(PreKeyBundleSchema, { ...bundle, preKey: create(PreKeySchema, { id, publicKey }) });
}

function keyOf({ contact, device }: { readonly contact: string; readonly device: number }): string {
  return `${contact}/${device}`;
}

function padded(values: readonly string[]): string[] {
  const length = listLengths.find((candidate) => candidate >= values.length) ?? values.length;
  const [first = ''] = values;
  return [...values, ...Array.from({ length: length - values.length }, () => first)];
}

function placeholders(values: readonly string[]): string {
  return values.map(() => '?').join(', ');
}
