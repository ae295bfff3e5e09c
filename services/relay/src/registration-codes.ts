/**
 * What proves a number: one-time codes sent to it, and link codes made by one of its devices.
 *
 * At rest there are only digests. Six digits could be found from one by trying all, so what
 * protects a code is its life of 10 minutes and its 5 tries, not the digest. Using a proof takes
 * it away in the transaction that registers; `restore` gives it back when the registration fails.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { PhoneNumber } from '@chappe/numbers/phone-number';
import type { Store, Table, Transaction } from '@chappe/store/store';
import { codeLifeMs, codesPerWindowMax, codeTriesMax, codeWindowMs, linkCodeLifeMs } from './limits.ts';
import { bytes, integer, transact } from './relay-store.ts';

const codesTable: Table = {
  name: 'relay_registration_codes',
  key: ['contact'],
  columns: ['contact', 'salt', 'digest', 'expires_at_ms', 'tries_left', 'window_started_at_ms', 'sent'],
};

const linkCodesTable: Table = {
  name: 'relay_link_codes',
  key: ['contact'],
  columns: ['contact', 'digest', 'expires_at_ms'],
};

export type Proof = { readonly kind: 'code' | 'link_code'; readonly value: string };

/** Takes a proof that was used back, if the registration failed. */
export type RestoreProof = (tx: Transaction) => Promise<void>;

export type ProofVerdict =
  | { readonly kind: 'proved'; readonly restore: RestoreProof }
  /** Counted as a try: the transaction is to be committed. */
  | { readonly kind: 'refused'; readonly detail: string };

/**
 * Makes a code, which replaces the number's former one.
 *
 * @throws ChappeError `tooManyRequests`
 */
export async function issueCode(store: Store, contact: PhoneNumber, nowMs: number): Promise<string> {
  const code = String(randomInt(1_000_000)).padStart(6, '0');
  const salt = randomBytes(16);
  await transact(store, async (tx) => {
    const [row] = await tx.queryForUpdate(
      'SELECT window_started_at_ms, sent FROM relay_registration_codes WHERE contact = ?',
      [contact],
    );
    let windowStartedAtMs = nowMs;
    let sent = 0;
    if (row !== undefined && nowMs - integer(row, 'window_started_at_ms') < codeWindowMs) {
      windowStartedAtMs = integer(row, 'window_started_at_ms');
      sent = integer(row, 'sent');
    }
    if (sent >= codesPerWindowMax) {
      const retryAfterMs = windowStartedAtMs + codeWindowMs - nowMs;
      const detail = `a number gets ${codesPerWindowMax} codes an hour; ask again in ${Math.ceil(retryAfterMs / 60_000)} minutes`;
      throw new ChappeError('tooManyRequests', detail, { retryAfterMs });
    }
    const row2 = [contact, salt, digestOf(salt, code), nowMs + codeLifeMs, codeTriesMax, windowStartedAtMs, sent + 1];
    await tx.insert(codesTable, [row2], 'replace');
  });
  return code;
}

/**
 * Makes a link code, which replaces the number's former one: 80 bits, in groups that can be typed.
 *
 * @throws ChappeError `unauthenticated` if the device was removed meanwhile
 */
export async function issueLinkCode(
  store: Store,
  { contact, device }: { readonly contact: PhoneNumber; readonly device: number },
  nowMs: number,
): Promise<string> {
  const code = randomBytes(10)
    .toString('hex')
    .toUpperCase()
    .replaceAll(/(.{5})(?=.)/g, '$1-');
  await transact(store, async (tx) => {
    // Locked: a registration that removes it comes before or after, and then takes the code along.
    const [row] = await tx.queryForUpdate(
      `SELECT device FROM relay_devices WHERE contact = ? AND device = ? AND state = 'active'`,
      [contact, device],
    );
    if (row === undefined) throw new ChappeError('unauthenticated', 'the device was removed from its number');
    await tx.insert(linkCodesTable, [[contact, linkDigestOf(contact, code), nowMs + linkCodeLifeMs]], 'replace');
  });
  return code;
}

export async function forgetLinkCodes(tx: Transaction, contact: PhoneNumber): Promise<void> {
  await tx.run('DELETE FROM relay_link_codes WHERE contact = ?', [contact]);
}

export function useProof(tx: Transaction, contact: PhoneNumber, proof: Proof, nowMs: number): Promise<ProofVerdict> {
  return proof.kind === 'code'
    ? useCode(tx, contact, proof.value, nowMs)
    : useLinkCode(tx, contact, proof.value, nowMs);
}

/** Removes what has ended; the counts of the hour stay. */
export async function purgeCodes(tx: Transaction, nowMs: number): Promise<void> {
  await tx.run('DELETE FROM relay_registration_codes WHERE expires_at_ms < ? AND window_started_at_ms < ?', [
    nowMs,
    nowMs - codeWindowMs,
  ]);
  await tx.run('DELETE FROM relay_link_codes WHERE expires_at_ms < ?', [nowMs]);
}

async function useCode(tx: Transaction, contact: PhoneNumber, code: string, nowMs: number): Promise<ProofVerdict> {
  const sql = 'SELECT salt, digest, expires_at_ms, tries_left FROM relay_registration_codes WHERE contact = ?';
  const [row] = await tx.queryForUpdate(sql, [contact]);
  const triesLeft = row === undefined ? 0 : integer(row, 'tries_left');
  if (row === undefined || triesLeft === 0 || integer(row, 'expires_at_ms') <= nowMs) {
    return { kind: 'refused', detail: 'code: none is good for this number now; ask for a new one' };
  }
  const digest = bytes(row, 'digest');
  const setTries = 'UPDATE relay_registration_codes SET tries_left = ? WHERE contact = ? AND digest = ?';
  if (!timingSafeEqual(digestOf(bytes(row, 'salt'), code), digest)) {
    await tx.run(setTries, [triesLeft - 1, contact, digest]);
    return { kind: 'refused', detail: `code: it is wrong; ${triesLeft - 1} tries are left` };
  }
  await tx.run(setTries, [0, contact, digest]);
  return {
    kind: 'proved',
    restore: async (later) => {
      await later.run(setTries, [triesLeft, contact, digest]);
    },
  };
}

async function useLinkCode(tx: Transaction, contact: PhoneNumber, code: string, nowMs: number): Promise<ProofVerdict> {
  const [row] = await tx.queryForUpdate('SELECT digest, expires_at_ms FROM relay_link_codes WHERE contact = ?', [
    contact,
  ]);
  const digest = linkDigestOf(contact, code);
  if (row === undefined || integer(row, 'expires_at_ms') <= nowMs || !timingSafeEqual(bytes(row, 'digest'), digest)) {
    return { kind: 'refused', detail: 'link_code: it is wrong or was used; make a new one on a registered device' };
  }
  await tx.run('DELETE FROM relay_link_codes WHERE contact = ?', [contact]);
  const restored = [contact, digest, integer(row, 'expires_at_ms')];
  return {
    kind: 'proved',
    restore: async (later) => {
      await later.insert(linkCodesTable, [restored], 'ignore');
    },
  };
}

function digestOf(salt: Uint8Array, code: string): Buffer {
  return createHash('sha256').update(salt).update(code).digest();
}

function linkDigestOf(contact: PhoneNumber, code: string): Buffer {
  const typed = code.replaceAll(/[^0-9A-Za-z]/g, '').toUpperCase();
  return createHash('sha256').update(`${contact}/${typed}`).digest();
}
