/**
 * Stands in for crypto and for libsignal, which are slow and answer when they like: sessions that only count.
 *
 * A message key is (session, direction, counter), a ciphertext says which one it was made under, and a text lies open
 * in it. What the rest of the system relies on is as in the Signal protocol: the counter moves with each message and
 * lies in the session that the caller keeps; a session started twice is two sessions; what was read once is a repeat;
 * until a session is answered each message can start it on the other side. Nothing here is secret, and nothing of
 * libsignal is tested by it.
 */
import { create } from '@bufbuild/protobuf';
import { CiphertextType } from '@chappe/proto/device/device_service';
import {
  CryptoFailure,
  DecryptResponseSchema,
  EncryptResponseSchema,
  Fact,
  Verdict,
  type DecryptRequest,
  type DecryptResponse,
  type DecryptSession,
  type EncryptRequest,
  type EncryptResponse,
  type EncryptSession,
} from '@chappe/proto/internal/crypto_service';
import type { OpenedMessage, UndecryptableReason } from '@chappe/handset/mailbox';
import { MessageSchema } from '@chappe/proto/device/content';

export interface Letter {
  readonly session: string;
  readonly direction: 'down' | 'up';
  readonly counter: number;
  readonly kind: 'message' | 'session_ack';
  readonly messageId: string;
  readonly expiresAtMs: number;
  readonly text: string;
}

/** What a sender keeps, sealed or not. */
interface Kept {
  readonly current: string;
  readonly sent: number;
  readonly isAnswered: boolean;
  /** Also those before, which still read. */
  readonly read: Readonly<Record<string, readonly number[]>>;
}

export function messageKeyOf({ session, direction, counter }: Letter): string {
  return `${session} ${direction} ${counter}`;
}

export function readLetter(ciphertext: Uint8Array): Letter {
  return JSON.parse(Buffer.from(ciphertext).toString()) as Letter;
}

export function writeLetter(letter: Letter): Uint8Array {
  return Buffer.from(JSON.stringify(letter));
}

/** The crypto service's two calls. */
export class CounterCrypto {
  #sessions = 0;

  encrypt(request: EncryptRequest): EncryptResponse {
    return create(EncryptResponseSchema, { sessions: request.sessions.map((session) => this.#encrypt(session)) });
  }

  decrypt(request: DecryptRequest): DecryptResponse {
    return create(DecryptResponseSchema, { sessions: request.sessions.map((session) => decryptSession(session)) });
  }

  #encrypt({ session, bundle, plaintexts, nextVersion, incarnation }: EncryptSession) {
    // A session of an older incarnation never encrypts again.
    const isUsable = session !== undefined && session.incarnation === incarnation;
    const before = isUsable ? keptOf(session.sealed) : undefined;
    if (bundle === undefined && before === undefined) return { failure: CryptoFailure.SESSION_UNUSABLE };
    const kept: Kept = bundle === undefined && before !== undefined ? before : this.#start(before);
    const results = plaintexts.map(({ messageId, sealedBody, expiresAtMs }, index) => ({
      ciphertext: writeLetter({
        session: kept.current,
        direction: 'down',
        counter: kept.sent + index + 1,
        kind: 'message',
        messageId,
        expiresAtMs: Number(expiresAtMs),
        text: Buffer.from(sealedBody).toString(),
      }),
      type: kept.isAnswered ? CiphertextType.WHISPER : CiphertextType.PRE_KEY,
    }));
    const sealed = seal({ ...kept, sent: kept.sent + plaintexts.length });
    return { session: { sealed, version: nextVersion, incarnation }, results };
  }

  #start(before: Kept | undefined): Kept {
    this.#sessions += 1;
    const current = `session-${this.#sessions}`;
    return { current, sent: 0, isAnswered: false, read: { ...before?.read, [current]: [] } };
  }
}

function decryptSession({ session, ciphertexts, nextVersion, incarnation }: DecryptSession) {
  let kept = session === undefined ? undefined : keptOf(session.sealed);
  let isAdvanced = false;
  const results = ciphertexts.map(({ ciphertext }) => {
    const letter = readLetter(ciphertext);
    const read = kept?.read[letter.session];
    if (kept === undefined || read === undefined) return { verdict: Verdict.UNDECRYPTABLE };
    if (read.includes(letter.counter)) return { verdict: Verdict.REPEAT };
    isAdvanced = true;
    kept = {
      ...kept,
      isAnswered: kept.isAnswered || letter.session === kept.current,
      read: { ...kept.read, [letter.session]: [...read, letter.counter] },
    };
    return { verdict: Verdict.OK, facts: [Fact.SESSION_ACK], messageId: letter.messageId };
  });
  if (!isAdvanced || kept === undefined) return { results };
  return {
    session: { sealed: seal(kept), version: nextVersion, incarnation: session?.incarnation ?? incarnation },
    results,
  };
}

function seal(kept: Kept): Uint8Array {
  return Buffer.from(JSON.stringify(kept));
}

function keptOf(sealed: Uint8Array): Kept {
  return JSON.parse(Buffer.from(sealed).toString()) as Kept;
}

/** A device's half: what it makes of letters, and what it answers. */
export class DeviceSessions {
  /** By business number: the sessions that it reads, and the counters read of each. */
  readonly #read = new Map<string, Map<string, Set<number>>>();
  readonly #current = new Map<string, string>();
  readonly #sent = new Map<string, number>();

  open(number: string, letter: Letter, type: CiphertextType): OpenedMessage | UndecryptableReason {
    const sessions = this.#read.get(number) ?? new Map<string, Set<number>>();
    this.#read.set(number, sessions);
    const known = sessions.get(letter.session);
    if (known === undefined && type !== CiphertextType.PRE_KEY) return 'no_session';
    if (known?.has(letter.counter) === true) return 'duplicate';
    const read = known ?? new Set<number>();
    sessions.set(letter.session, read.add(letter.counter));
    if (known === undefined) this.#current.set(number, letter.session);
    const { messageId, expiresAtMs, text } = letter;
    const message = create(MessageSchema, { body: text });
    return { kind: 'message', messageId, expiresAtMs, message, startsSession: known === undefined };
  }

  /** An answer under the newest session; undefined: there is none. */
  acknowledge(number: string, messageId: string): Letter | undefined {
    const session = this.#current.get(number);
    if (session === undefined) return undefined;
    const counter = (this.#sent.get(session) ?? 0) + 1;
    this.#sent.set(session, counter);
    return { session, direction: 'up', counter, kind: 'session_ack', messageId, expiresAtMs: 0, text: '' };
  }

  forgetAll(): void {
    this.#read.clear();
    this.#current.clear();
  }
}
