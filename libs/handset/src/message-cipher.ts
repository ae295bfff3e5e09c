/** Decrypts envelopes and encrypts replies, with libsignal and a handset's stores. */
import { decodeMessage } from '@chappe/codec/codec';
import { MessageSchema } from '@chappe/proto/device/content';
import { CiphertextType, type Envelope } from '@chappe/proto/device/device_service';
import type { PreKeyBundle } from '@chappe/proto/device/keys';
import {
  CiphertextMessageType,
  ErrorCode,
  LibSignalErrorBase,
  PreKeySignalMessage,
  processPreKeyBundle,
  ProtocolAddress,
  signalDecrypt,
  signalDecryptPreKey,
  signalEncrypt,
  SignalMessage,
} from '@signalapp/libsignal-client';
import type { Account } from './account.ts';
import { parseContent } from './content.ts';
import { getJson, putJson, type HandsetState } from './handset-state.ts';
import type { Opened, UndecryptableReason } from './mailbox.ts';
import { ownBytes, toSignalBundle } from './signal-bytes.ts';
import { SignalStores } from './signal-stores.ts';

/** Business numbers have one device. */
const numberDevice = 1;

/** What one handset does with its sessions. Not to be used by two acts at a time. */
export class MessageCipher {
  readonly #state: HandsetState;
  readonly #stores: SignalStores;
  readonly #local: ProtocolAddress;

  constructor(state: HandsetState, account: Account) {
    this.#state = state;
    this.#stores = new SignalStores(state, account);
    this.#local = ProtocolAddress.new(account.number, account.device);
  }

  /** Puts changed sessions into the state; the caller commits. */
  flush(): void {
    this.#stores.sessions.flush();
  }

  /** Whatever comes under them is unreadable from now on, and replies start new ones. */
  forgetSessions(): void {
    this.#stores.sessions.forgetAll();
  }

  async open(envelope: Envelope): Promise<Opened> {
    const { sessions, identities, preKeys, signedPreKeys, kyberPreKeys } = this.#stores;
    try {
      const remote = ProtocolAddress.new(envelope.from, numberDevice);
      const bytes = ownBytes(envelope.ciphertext);
      if (envelope.type !== CiphertextType.PRE_KEY) {
        const plaintext = await signalDecrypt(
          SignalMessage.deserialize(bytes),
          remote,
          this.#local,
          sessions,
          identities,
        );
        return openContent(plaintext, false);
      }
      const message = PreKeySignalMessage.deserialize(bytes);
      const plaintext = await signalDecryptPreKey(
        message,
        remote,
        this.#local,
        sessions,
        identities,
        preKeys,
        signedPreKeys,
        kyberPreKeys,
      );
      const startsSession = kyberPreKeys.takeIsUsed();
      if (startsSession) this.#countSession(envelope.from);
      return openContent(plaintext, startsSession);
    } catch (error) {
      // Anything at all may come down; every reason leads to a new session.
      kyberPreKeys.takeIsUsed();
      return { kind: 'undecryptable', reason: reasonOf(error) };
    }
  }

  /** Grows with each session with a number, whoever starts it. */
  sessionNo(number: string): number {
    return Number(getJson(this.#state, 'sessionNo', number) ?? 0);
  }

  canEncryptTo(number: string, nowMs: number): boolean {
    return this.#stores.sessions.find(number)?.hasCurrentState(new Date(nowMs)) ?? false;
  }

  /**
   * The number's only one: what comes under a former one would make that the present one again.
   *
   * @throws Error if the bundle's signatures are wrong or its identity key is not the one known
   */
  async startSession(number: string, bundle: PreKeyBundle, nowMs: number): Promise<void> {
    const { sessions, identities } = this.#stores;
    const remote = ProtocolAddress.new(number, numberDevice);
    const former = sessions.find(number);
    sessions.forget(number);
    try {
      await processPreKeyBundle(toSignalBundle(bundle), remote, this.#local, sessions, identities, new Date(nowMs));
    } catch (error) {
      if (former !== undefined) await sessions.saveSession(remote, former);
      sessions.flush();
      throw error;
    }
    this.#countSession(number);
  }

  async encrypt(
    number: string,
    plaintext: Uint8Array<ArrayBuffer>,
    nowMs: number,
  ): Promise<{ ciphertext: Uint8Array<ArrayBuffer>; type: CiphertextType }> {
    const { sessions, identities } = this.#stores;
    const remote = ProtocolAddress.new(number, numberDevice);
    const message = await signalEncrypt(plaintext, remote, this.#local, sessions, identities, new Date(nowMs));
    const preKey: number = CiphertextMessageType.PreKey;
    const type = message.type() === preKey ? CiphertextType.PRE_KEY : CiphertextType.WHISPER;
    return { ciphertext: message.serialize(), type };
  }

  #countSession(number: string): void {
    putJson(this.#state, 'sessionNo', number, this.sessionNo(number) + 1);
  }
}

/** @throws Error if it is nothing that a business sends */
function openContent(plaintext: Uint8Array, startsSession: boolean): Opened {
  const { messageId, expiresAtMs, kind } = parseContent(plaintext);
  if (kind.case !== 'message' || messageId === '') throw new Error('not a message');
  const message = decodeMessage(MessageSchema, kind.value);
  return { kind: 'message', messageId, expiresAtMs: Number(expiresAtMs), message, startsSession };
}

function reasonOf(error: unknown): UndecryptableReason {
  if (!(error instanceof LibSignalErrorBase)) return 'invalid';
  if (error.code === ErrorCode.DuplicatedMessage) return 'duplicate';
  return error.code === ErrorCode.InvalidSession || /session .* not found/iu.test(error.message)
    ? 'no_session'
    : 'invalid';
}
