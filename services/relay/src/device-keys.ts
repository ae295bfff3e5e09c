/** What a device says of its keys, checked before anything is kept: forms, signatures, bounds. */
import { create } from '@bufbuild/protobuf';
import {
  PreKeyBundleSchema,
  type KyberPreKey,
  type PreKey,
  type PreKeyBundle,
  type SignedPreKey,
} from '@chappe/proto/device/keys';
import type { RegisterRequest } from '@chappe/proto/device/registration_service';
import { ChappeError } from '@chappe/errors/chappe-error';
import { KEMPublicKey, PublicKey } from '@signalapp/libsignal-client';
import { preKeysPerUploadMax } from './limits.ts';

/** libsignal's registration ids and prekey ids. */
const registrationIdMax = 16_380;
const preKeyIdMax = 0xff_ff_ff;
/** Its kind, and a point of Curve25519. */
const publicKeyBytes = 33;
/** Its kind, and a key of Kyber-1024. */
const kyberKeyBytes = 1_569;

/**
 * The device's bundle without a one-time key and without its device number.
 *
 * @throws ChappeError `parameterMissing`, `parameterInvalid`, naming the field
 */
export function checkRegistrationKeys(request: RegisterRequest): PreKeyBundle {
  if (request.registrationId < 1 || request.registrationId > registrationIdMax) {
    throw invalid('registration_id', `it is 1 to ${registrationIdMax}`);
  }
  const identityKey = publicKey('identity_key', request.identityKey);
  if (request.signedPreKey === undefined) throw new ChappeError('parameterMissing', 'signed_pre_key is missing');
  if (request.lastResortKyberPreKey === undefined) {
    throw new ChappeError('parameterMissing', 'last_resort_kyber_pre_key is missing');
  }
  checkSignedPreKey(identityKey, request.signedPreKey);
  checkKyberPreKey(identityKey, request.lastResortKyberPreKey);
  return create(PreKeyBundleSchema, {
    registrationId: request.registrationId,
    identityKey: request.identityKey,
    signedPreKey: request.signedPreKey,
    kyberPreKey: request.lastResortKyberPreKey,
  });
}

/**
 * New signed keys of a device, in the bundle that it has; `undefined` if there are none.
 *
 * @throws ChappeError `parameterInvalid`
 */
export function replaceSignedKeys(
  bundle: PreKeyBundle,
  signedPreKey: SignedPreKey | undefined,
  kyberPreKey: KyberPreKey | undefined,
): PreKeyBundle | undefined {
  if (signedPreKey === undefined && kyberPreKey === undefined) return undefined;
  const identityKey = publicKey('identity_key', bundle.identityKey);
  if (signedPreKey !== undefined) checkSignedPreKey(identityKey, signedPreKey);
  if (kyberPreKey !== undefined) checkKyberPreKey(identityKey, kyberPreKey);
  return create(PreKeyBundleSchema, {
    ...bundle,
    ...(signedPreKey === undefined ? {} : { signedPreKey }),
    ...(kyberPreKey === undefined ? {} : { kyberPreKey }),
  });
}

/** @throws ChappeError `parameterInvalid` */
export function checkPreKeys(preKeys: readonly PreKey[]): void {
  if (preKeys.length > preKeysPerUploadMax)
    throw invalid('pre_keys', `at most ${preKeysPerUploadMax} are taken in one call`);
  const ids = new Set<number>();
  for (const preKey of preKeys) {
    checkId('pre_keys', preKey.id);
    if (ids.has(preKey.id)) throw invalid('pre_keys', 'two have the same id');
    ids.add(preKey.id);
    publicKey('pre_keys', preKey.publicKey);
  }
}

function checkSignedPreKey(identityKey: PublicKey, key: SignedPreKey): void {
  checkId('signed_pre_key', key.id);
  publicKey('signed_pre_key', key.publicKey);
  checkSignature('signed_pre_key', identityKey, key);
}

function checkKyberPreKey(identityKey: PublicKey, key: KyberPreKey): void {
  checkId('last_resort_kyber_pre_key', key.id);
  if (key.publicKey.length !== kyberKeyBytes)
    throw invalid('last_resort_kyber_pre_key', `a Kyber-1024 public key has ${kyberKeyBytes} bytes`);
  try {
    KEMPublicKey.deserialize(Uint8Array.from(key.publicKey));
  } catch (error) {
    throw invalid('last_resort_kyber_pre_key', 'not a Kyber-1024 public key', error);
  }
  checkSignature('last_resort_kyber_pre_key', identityKey, key);
}

function checkSignature(field: string, identityKey: PublicKey, key: SignedPreKey | KyberPreKey): void {
  if (
    key.signature.length !== 64 ||
    !identityKey.verify(Uint8Array.from(key.publicKey), Uint8Array.from(key.signature))
  ) {
    throw invalid(field, 'its signature was not made with the identity key');
  }
}

function checkId(field: string, id: number): void {
  if (id < 1 || id > preKeyIdMax) throw invalid(field, `an id is 1 to ${preKeyIdMax}`);
}

function publicKey(field: string, serialized: Uint8Array): PublicKey {
  // libsignal reads the first bytes and lets any others follow.
  if (serialized.length !== publicKeyBytes) throw invalid(field, `a public key has ${publicKeyBytes} bytes`);
  try {
    return PublicKey.deserialize(Uint8Array.from(serialized));
  } catch (error) {
    throw invalid(field, 'not a public key as libsignal serializes it', error);
  }
}

function invalid(field: string, problem: string, cause?: unknown): ChappeError {
  return new ChappeError('parameterInvalid', `${field}: ${problem}`, { cause });
}
