/** Who a handset is: its identity, made before it registers, and what registering gives it. */
import { randomInt } from 'node:crypto';
import { IdentityKeyPair } from '@signalapp/libsignal-client';
import { getJson, putJson, type HandsetState } from './handset-state.ts';
import { ownBytes } from './signal-bytes.ts';

/** From 1 to 16,380 (RegisterRequest). */
const registrationIdMax = 16_380;

export interface Identity {
  readonly registrationId: number;
  readonly pair: IdentityKeyPair;
}

export interface Account extends Identity {
  /** E.164 digits. */
  readonly number: string;
  readonly device: number;
  readonly credential: string;
}

interface AccountRecord {
  readonly registrationId: number;
  /** base64. */
  readonly pair: string;
  readonly registered?: { readonly number: string; readonly device: number; readonly credential: string };
}

/** The identity, made if there is none. Not committed. */
export function findOrMakeIdentity(state: HandsetState): Identity {
  const record = readRecord(state);
  if (record !== undefined) return identityOf(record);
  const identity = { registrationId: randomInt(1, registrationIdMax + 1), pair: IdentityKeyPair.generate() };
  putJson(state, 'account', 'account', recordOf(identity));
  return identity;
}

/** What a registered handset is; undefined before it has registered. */
export function findAccount(state: HandsetState): Account | undefined {
  const record = readRecord(state);
  if (record?.registered === undefined) return undefined;
  return { ...identityOf(record), ...record.registered };
}

/** Not committed. */
export function putAccount(state: HandsetState, account: Account): void {
  const { number, device, credential } = account;
  putJson(state, 'account', 'account', { ...recordOf(account), registered: { number, device, credential } });
}

function recordOf({ registrationId, pair }: Identity): AccountRecord {
  return { registrationId, pair: Buffer.from(pair.serialize()).toString('base64') };
}

function identityOf({ registrationId, pair }: AccountRecord): Identity {
  return { registrationId, pair: IdentityKeyPair.deserialize(ownBytes(Buffer.from(pair, 'base64'))) };
}

function readRecord(state: HandsetState): AccountRecord | undefined {
  return getJson(state, 'account', 'account') as AccountRecord | undefined;
}
