/**
 * Decrypts what came in on one session, in order. What leaves is a verdict, facts of a closed
 * vocabulary and the re-sealed reply: never text.
 *
 * A session keeps the incarnation it had: decrypting does not make one that may encrypt again of
 * one that may not (see encrypt.ts).
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { decodeMessage } from '@chappe/codec/codec';
import { parseContent } from '@chappe/handset/content';
import { replyCharactersMax } from '@chappe/handset/limits';
import { ownBytes } from '@chappe/handset/signal-bytes';
import { ReplySchema, type Content } from '@chappe/proto/device/content';
import { CiphertextType } from '@chappe/proto/device/device_service';
import {
  Fact,
  Verdict,
  type Ciphertext,
  type DecryptResultSchema,
  type DecryptSession,
  type DecryptSessionResultSchema,
} from '@chappe/proto/internal/crypto_service';
import { boundToReply } from '@chappe/seal/bound-to';
import type { SealKey } from '@chappe/seal/seal';
import {
  ErrorCode,
  LibSignalErrorBase,
  PreKeySignalMessage,
  PublicKey,
  signalDecrypt,
  signalDecryptPreKey,
  SignalMessage,
} from '@signalapp/libsignal-client';
import type { DataKeys } from './data-keys.ts';
import type { SessionDependencies } from './encrypt.ts';
import { bodyBytesMax, messageIdLengthMax } from './limits.ts';
import { failureToOpen, openAddress, openSession, sealSession, SessionFailure, type OpenedAddress } from './session.ts';
import { NoPreKeys, NumberKyberPreKeys, NumberSignedPreKeys, OneIdentity, OneSession } from './signal-stores.ts';
import { wordFactOf } from './stop-words.ts';

export type DecryptSessionInit = MessageInitShape<typeof DecryptSessionResultSchema>;
type DecryptResultInit = MessageInitShape<typeof DecryptResultSchema>;

interface Stores {
  readonly sessions: OneSession;
  readonly identities: OneIdentity;
  readonly preKeys: NoPreKeys;
  readonly signedPreKeys: NumberSignedPreKeys;
  readonly kyberPreKeys: NumberKyberPreKeys;
}

export async function decryptSession(
  request: DecryptSession,
  dependencies: SessionDependencies,
): Promise<DecryptSessionInit> {
  const { numberKeys, sealingKeys, dataKeys, slice } = dependencies;
  try {
    const opened = await openAddress(request, numberKeys);
    const { address, identity } = opened;
    const session = await openSession(address, request.session, sealingKeys);
    const todaysKey = await keyOfToday(dataKeys, address.business);
    const stores: Stores = {
      sessions: new OneSession(session?.record),
      identities: new OneIdentity(identity, publicKeyOf(request.identityKey)),
      preKeys: new NoPreKeys(),
      signedPreKeys: new NumberSignedPreKeys(numberKeys, address.number),
      kyberPreKeys: new NumberKyberPreKeys(numberKeys, address.number),
    };

    const results: DecryptResultInit[] = [];
    let isAdvanced = false;
    for (const ciphertext of request.ciphertexts) {
      await slice.breathe();
      const plaintext = await decryptOne(ciphertext, opened, stores);
      if (typeof plaintext === 'number') {
        results.push({ verdict: plaintext });
        continue;
      }
      isAdvanced = true;
      const baseKey = stores.kyberPreKeys.takeUsedBaseKey()?.serialize() ?? new Uint8Array();
      results.push({ ...judge(plaintext, address.business, todaysKey, dataKeys), baseKey });
    }
    if (!isAdvanced || stores.sessions.record === undefined) return { results };
    const place = { version: request.nextVersion, incarnation: request.session?.incarnation ?? request.incarnation };
    return { session: await sealSession(address, stores.sessions.record, place, sealingKeys), results };
  } catch (error) {
    if (error instanceof SessionFailure) return { failure: error.failure };
    throw error;
  }
}

async function decryptOne(
  ciphertext: Ciphertext,
  opened: OpenedAddress,
  stores: Stores,
): Promise<Uint8Array | Verdict> {
  const { sessions, identities, preKeys, signedPreKeys, kyberPreKeys } = stores;
  const { local, remote } = opened;
  const bytes = ownBytes(ciphertext.ciphertext);
  try {
    switch (ciphertext.type) {
      case CiphertextType.WHISPER:
        return await signalDecrypt(SignalMessage.deserialize(bytes), remote, local, sessions, identities);
      case CiphertextType.PRE_KEY: {
        const message = PreKeySignalMessage.deserialize(bytes);
        return await signalDecryptPreKey(
          message,
          remote,
          local,
          sessions,
          identities,
          preKeys,
          signedPreKeys,
          kyberPreKeys,
        );
      }
      case CiphertextType.UNSPECIFIED:
      default:
        return Verdict.UNDECRYPTABLE;
    }
  } catch (error) {
    // Whatever a device sends may be wrong; a fault of ours would show on every message (metrics).
    return isRepeat(error) ? Verdict.REPEAT : Verdict.UNDECRYPTABLE;
  }
}

function judge(plaintext: Uint8Array, business: string, key: SealKey, dataKeys: DataKeys): DecryptResultInit {
  const content = contentOf(plaintext);
  if (content === undefined) return { verdict: Verdict.UNDECRYPTABLE };
  const { messageId, kind } = content;
  switch (kind.case) {
    case 'sessionAck':
      return { verdict: Verdict.OK, facts: [Fact.SESSION_ACK], messageId };
    case 'reply': {
      const text = replyTextOf(kind.value);
      if (text === undefined || messageId === '') return { verdict: Verdict.UNDECRYPTABLE };
      const word = wordFactOf(text);
      const facts = word === undefined ? [Fact.REPLY] : [Fact.REPLY, word];
      const sealedBody = dataKeys.seal(key, kind.value, boundToReply(business, messageId));
      return { verdict: Verdict.OK, facts, messageId, sealedBody };
    }
    case 'message':
    case undefined:
      return { verdict: Verdict.UNDECRYPTABLE };
  }
}

function contentOf(plaintext: Uint8Array): Content | undefined {
  try {
    const content = parseContent(plaintext);
    return content.messageId.length <= messageIdLengthMax ? content : undefined;
  } catch {
    return undefined;
  }
}

function replyTextOf(reply: Uint8Array): string | undefined {
  if (reply.length > bodyBytesMax) return undefined;
  try {
    const { text, inReplyTo } = decodeMessage(ReplySchema, reply);
    return text.length <= replyCharactersMax && inReplyTo.length <= messageIdLengthMax ? text : undefined;
  } catch {
    return undefined;
  }
}

async function keyOfToday(dataKeys: DataKeys, business: string): Promise<SealKey> {
  try {
    return await dataKeys.today(business);
  } catch (error) {
    throw new SessionFailure(failureToOpen(error), { cause: error });
  }
}

/** Undefined lets nothing be decrypted. */
function publicKeyOf(bytes: Uint8Array): PublicKey | undefined {
  try {
    return PublicKey.deserialize(ownBytes(bytes));
  } catch {
    return undefined;
  }
}

function isRepeat(error: unknown): boolean {
  return error instanceof LibSignalErrorBase && error.code === ErrorCode.DuplicatedMessage;
}
