/**
 * Makes the handset's prekeys. Private halves are put into the state, which the caller commits
 * before it gives the public halves away.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { KyberPreKeySchema, PreKeySchema, SignedPreKeySchema } from '@chappe/proto/device/keys';
import {
  KEMKeyPair,
  KyberPreKeyRecord,
  PreKeyRecord,
  PrivateKey,
  SignedPreKeyRecord,
  type IdentityKeyPair,
} from '@signalapp/libsignal-client';
import { getJson, keepNewest, putJson, type HandsetState } from './handset-state.ts';
import { preKeyLifeMs, preKeyPeriodMs, preKeysKeptMax } from './limits.ts';
import { ownBytes } from './signal-bytes.ts';

export type PreKeyInit = MessageInitShape<typeof PreKeySchema>;

export interface SignedPreKeys {
  readonly signedPreKey: MessageInitShape<typeof SignedPreKeySchema>;
  readonly lastResortKyberPreKey: MessageInitShape<typeof KyberPreKeySchema>;
}

/** One-time prekeys with ids that were not used before. */
export function makePreKeys(state: HandsetState, count: number): PreKeyInit[] {
  const firstId = Number(getJson(state, 'account', 'lastPreKeyId') ?? 0) + 1;
  putJson(state, 'account', 'lastPreKeyId', firstId + count - 1);
  const made = Array.from({ length: count }, (_, index) => {
    const id = firstId + index;
    const privateKey = PrivateKey.generate();
    const publicKey = privateKey.getPublicKey();
    state.put('preKey', String(id), PreKeyRecord.new(id, publicKey, privateKey).serialize());
    return { id, publicKey: publicKey.serialize() };
  });
  keepNewest(state, 'preKey', preKeysKeptMax);
  return made;
}

/** A new signed and a new last-resort Kyber prekey; those past their life are destroyed. */
export function makeSignedPreKeys(state: HandsetState, identity: IdentityKeyPair, nowMs: number): SignedPreKeys {
  destroyOld(state, nowMs);
  const id = lastSignedIdOf(state) + 1;
  const signedKey = PrivateKey.generate();
  const signedPublic = signedKey.getPublicKey().serialize();
  const signedSignature = identity.privateKey.sign(signedPublic);
  const signed = SignedPreKeyRecord.new(id, nowMs, signedKey.getPublicKey(), signedKey, signedSignature);
  state.put('signedPreKey', String(id), signed.serialize());

  const kyberPair = KEMKeyPair.generate();
  const kyberPublic = kyberPair.getPublicKey().serialize();
  const kyberSignature = identity.privateKey.sign(kyberPublic);
  state.put('kyberPreKey', String(id), KyberPreKeyRecord.new(id, nowMs, kyberPair, kyberSignature).serialize());
  return {
    signedPreKey: { id, publicKey: signedPublic, signature: signedSignature },
    lastResortKyberPreKey: { id, publicKey: kyberPublic, signature: kyberSignature },
  };
}

/** Whether the newest signed prekey is of another week. */
export function needsSignedPreKeys(state: HandsetState, nowMs: number): boolean {
  const newest = state.get('signedPreKey', String(lastSignedIdOf(state)));
  if (newest === undefined) return true;
  return SignedPreKeyRecord.deserialize(ownBytes(newest)).timestamp() + preKeyPeriodMs <= nowMs;
}

function destroyOld(state: HandsetState, nowMs: number): void {
  for (const id of state.keys('signedPreKey')) {
    const record = state.get('signedPreKey', id);
    if (record === undefined || SignedPreKeyRecord.deserialize(ownBytes(record)).timestamp() > nowMs - preKeyLifeMs)
      continue;
    state.delete('signedPreKey', id);
    state.delete('kyberPreKey', id);
  }
}

function lastSignedIdOf(state: HandsetState): number {
  let last = 0;
  for (const id of state.keys('signedPreKey')) last = Math.max(last, Number(id));
  return last;
}
