/** Opening and sealing session records, and what a failure to open means to the caller. */
import type {
  DecryptSession,
  EncryptSession,
  SealedSession,
  SessionAddress,
} from '@chappe/proto/internal/crypto_service';
import { CryptoFailure } from '@chappe/proto/internal/crypto_service';
import { ChappeError } from '@chappe/errors/chappe-error';
import { ownBytes } from '@chappe/handset/signal-bytes';
import { boundToSession } from '@chappe/seal/bound-to';
import { SealError } from '@chappe/seal/seal';
import { StoreError } from '@chappe/store/store';
import { ProtocolAddress, SessionRecord } from '@signalapp/libsignal-client';
import { numberDevice, type NumberIdentity, type NumberKeys } from './number-keys.ts';
import type { SealingKeys } from './sealing-keys.ts';

/** A session fails as a whole: nothing of it may be used, other sessions go on. */
export class SessionFailure extends Error {
  readonly failure: CryptoFailure;

  constructor(failure: CryptoFailure, options?: ErrorOptions) {
    super(`session failure ${failure}`, options);
    this.failure = failure;
  }
}

/** What kept something sealed from being opened. @throws the error itself if it is a bug */
export function failureToOpen(error: unknown): CryptoFailure {
  if (error instanceof SealError) return CryptoFailure.SEAL_BROKEN;
  if (error instanceof ChappeError || error instanceof StoreError) return CryptoFailure.KEY_UNAVAILABLE;
  throw error;
}

export interface OpenedAddress {
  readonly address: SessionAddress;
  readonly identity: NumberIdentity;
  readonly local: ProtocolAddress;
  readonly remote: ProtocolAddress;
}

/** @throws SessionFailure */
export async function openAddress(
  request: EncryptSession | DecryptSession,
  numbers: NumberKeys,
): Promise<OpenedAddress> {
  const { address } = request;
  if (address === undefined) throw new SessionFailure(CryptoFailure.NUMBER_UNKNOWN);
  const identity = await openOr(numbers.identity(address.number));
  // A number of another business is as good as none: TENANT.
  if (identity?.business !== address.business) throw new SessionFailure(CryptoFailure.NUMBER_UNKNOWN);
  try {
    const local = ProtocolAddress.new(address.number, numberDevice);
    return { address, identity, local, remote: ProtocolAddress.new(address.contact, address.device) };
  } catch (error) {
    throw new SessionFailure(CryptoFailure.SESSION_UNUSABLE, { cause: error });
  }
}

export interface OpenedSession {
  readonly record: SessionRecord;
  readonly recordBytes: number;
}

/** @throws SessionFailure */
export async function openSession(
  address: SessionAddress,
  session: SealedSession | undefined,
  sealingKeys: SealingKeys,
): Promise<OpenedSession | undefined> {
  if (session === undefined) return undefined;
  const bytes = await openOr(sealingKeys.open(session.sealed, boundTo(address, session.version, session.incarnation)));
  try {
    return { record: SessionRecord.deserialize(ownBytes(bytes)), recordBytes: bytes.length };
  } catch (error) {
    throw new SessionFailure(CryptoFailure.SESSION_UNUSABLE, { cause: error });
  }
}

/** @throws SessionFailure if the key of today is not available */
export async function sealSession(
  address: SessionAddress,
  record: SessionRecord,
  place: { readonly version: bigint; readonly incarnation: number },
  sealingKeys: SealingKeys,
): Promise<{ sealed: Uint8Array; version: bigint; incarnation: number }> {
  const sealed = await openOr(sealingKeys.seal(record.serialize(), boundTo(address, place.version, place.incarnation)));
  return { sealed, ...place };
}

function boundTo(address: SessionAddress, version: bigint, incarnation: number): Uint8Array {
  const { business, number, contact, device } = address;
  return boundToSession({ business, number, contact, device, version, incarnation });
}

async function openOr<T>(opening: Promise<T>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    throw new SessionFailure(failureToOpen(error), { cause: error });
  }
}
