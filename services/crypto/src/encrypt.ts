/**
 * Encrypts what goes out of one session, in order.
 *
 * The result is nothing until its caller commits it: the same request may be made again, and of
 * its answers only the committed one may leave. A session of an older incarnation (the database
 * lost commits) never encrypts again: its counters may have been used.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { buildContent } from '@chappe/handset/content';
import { toSignalBundle } from '@chappe/handset/signal-bytes';
import { CiphertextType } from '@chappe/proto/device/device_service';
import {
  CryptoFailure,
  type EncryptResultSchema,
  type EncryptSession,
  type EncryptSessionResultSchema,
  type Plaintext,
} from '@chappe/proto/internal/crypto_service';
import { boundToBody } from '@chappe/seal/bound-to';
import { CiphertextMessageType, processPreKeyBundle, signalEncrypt } from '@signalapp/libsignal-client';
import type { DataKeys } from './data-keys.ts';
import { bodyBytesMax, sessionRecordBytesMax } from './limits.ts';
import type { NumberKeys } from './number-keys.ts';
import type { SealingKeys } from './sealing-keys.ts';
import { failureToOpen, openAddress, openSession, sealSession, SessionFailure, type OpenedAddress } from './session.ts';
import { OneIdentity, OneSession } from './signal-stores.ts';
import type { TimeSlice } from './time-slice.ts';

export interface SessionDependencies {
  readonly numberKeys: NumberKeys;
  readonly sealingKeys: SealingKeys;
  readonly dataKeys: DataKeys;
  readonly slice: TimeSlice;
  readonly now: () => number;
}

export type EncryptSessionInit = MessageInitShape<typeof EncryptSessionResultSchema>;
type EncryptResultInit = MessageInitShape<typeof EncryptResultSchema>;

export async function encryptSession(
  request: EncryptSession,
  dependencies: SessionDependencies,
): Promise<EncryptSessionInit> {
  try {
    const opened = await openAddress(request, dependencies.numberKeys);
    const sessions = new OneSession((await usableSession(request, opened, dependencies))?.record);
    const identities = new OneIdentity(opened.identity);
    const now = new Date(dependencies.now());
    await startSession(request, opened, sessions, identities, now);

    const results: EncryptResultInit[] = [];
    for (const plaintext of request.plaintexts) {
      await dependencies.slice.breathe();
      results.push(await encryptOne(plaintext, opened, sessions, identities, now, dependencies.dataKeys));
    }
    if (sessions.record === undefined) throw new SessionFailure(CryptoFailure.SESSION_UNUSABLE);
    const place = { version: request.nextVersion, incarnation: request.incarnation };
    return { session: await sealSession(opened.address, sessions.record, place, dependencies.sealingKeys), results };
  } catch (error) {
    if (error instanceof SessionFailure) return { failure: error.failure };
    throw error;
  }
}

/** The record to go on from. With a bundle: the past to archive, dropped if it is too large or of an older incarnation. */
async function usableSession(request: EncryptSession, opened: OpenedAddress, dependencies: SessionDependencies) {
  const session = await openSession(opened.address, request.session, dependencies.sealingKeys);
  const isUsable =
    session !== undefined &&
    session.recordBytes <= sessionRecordBytesMax &&
    request.session?.incarnation === request.incarnation;
  if (!isUsable && request.bundle === undefined) throw new SessionFailure(CryptoFailure.SESSION_UNUSABLE);
  return isUsable ? session : undefined;
}

/** libsignal verifies the signatures of the bundle under its identity key; whose key that is, the caller knows. */
async function startSession(
  request: EncryptSession,
  opened: OpenedAddress,
  sessions: OneSession,
  identities: OneIdentity,
  now: Date,
): Promise<void> {
  if (request.bundle === undefined) {
    // False for a session that was not acknowledged for 30 days: encrypting would throw.
    if (sessions.record?.hasCurrentState(now) !== true) throw new SessionFailure(CryptoFailure.SESSION_UNUSABLE);
    return;
  }
  try {
    const bundle = toSignalBundle(request.bundle);
    await processPreKeyBundle(bundle, opened.remote, opened.local, sessions, identities, now);
  } catch (error) {
    throw new SessionFailure(CryptoFailure.BUNDLE_INVALID, { cause: error });
  }
}

async function encryptOne(
  plaintext: Plaintext,
  opened: OpenedAddress,
  sessions: OneSession,
  identities: OneIdentity,
  now: Date,
  dataKeys: DataKeys,
): Promise<EncryptResultInit> {
  const { business } = opened.address;
  const { messageId, sealedBody, expiresAtMs } = plaintext;
  if (sealedBody.length > bodyBytesMax) return { failure: CryptoFailure.SEAL_BROKEN };
  let message: Uint8Array;
  try {
    message = await dataKeys.open(business, sealedBody, boundToBody(business, messageId));
  } catch (error) {
    return { failure: failureToOpen(error) };
  }
  const content = buildContent({ messageId, expiresAtMs, kind: { case: 'message', value: message } });
  try {
    const ciphertext = await signalEncrypt(content, opened.remote, opened.local, sessions, identities, now);
    return { ciphertext: ciphertext.serialize(), type: typeOnWire(ciphertext.type()) };
  } catch (error) {
    throw new SessionFailure(CryptoFailure.SESSION_UNUSABLE, { cause: error });
  }
}

function typeOnWire(type: number): CiphertextType {
  const preKey: number = CiphertextMessageType.PreKey;
  return type === preKey ? CiphertextType.PRE_KEY : CiphertextType.WHISPER;
}
