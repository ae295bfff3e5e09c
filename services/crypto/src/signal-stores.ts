/**
 * libsignal's stores for one session during one call: the record in memory, the number's identity,
 * and its prekeys. Nothing is written; the caller takes the record out and seals it.
 */
import {
  Direction,
  IdentityChange,
  IdentityKeyStore,
  KyberPreKeyStore,
  PreKeyStore,
  SessionStore,
  SignedPreKeyStore,
  type IdentityKeyPair,
  type KyberPreKeyRecord,
  type PreKeyRecord,
  type PrivateKey,
  type ProtocolAddress,
  type PublicKey,
  type SessionRecord,
  type SignedPreKeyRecord,
} from '@signalapp/libsignal-client';
import type { NumberIdentity, NumberKeys } from './number-keys.ts';

export class OneSession extends SessionStore {
  record: SessionRecord | undefined;

  constructor(record: SessionRecord | undefined) {
    super();
    this.record = record;
  }

  saveSession(_name: ProtocolAddress, record: SessionRecord): Promise<void> {
    this.record = record;
    return Promise.resolve();
  }

  getSession(): Promise<SessionRecord | null> {
    return Promise.resolve(this.record ?? null);
  }

  getExistingSessions(): Promise<SessionRecord[]> {
    return Promise.resolve(this.record === undefined ? [] : [this.record]);
  }
}

/**
 * The number's own identity. What comes in must be of the device's identity key as the contact's
 * log has it; what goes out was started from a bundle that the caller held against that log.
 */
export class OneIdentity extends IdentityKeyStore {
  readonly #own: NumberIdentity;
  readonly #device: PublicKey | undefined;

  /** @param device the only identity key that may be decrypted from */
  constructor(own: NumberIdentity, device?: PublicKey) {
    super();
    this.#own = own;
    this.#device = device;
  }

  getIdentityKey(): Promise<PrivateKey> {
    return Promise.resolve(this.#own.pair.privateKey);
  }

  override getIdentityKeyPair(): Promise<IdentityKeyPair> {
    return Promise.resolve(this.#own.pair);
  }

  getLocalRegistrationId(): Promise<number> {
    return Promise.resolve(this.#own.registrationId);
  }

  saveIdentity(): Promise<IdentityChange> {
    return Promise.resolve(IdentityChange.NewOrUnchanged);
  }

  isTrustedIdentity(_name: ProtocolAddress, key: PublicKey, direction: Direction): Promise<boolean> {
    return Promise.resolve(direction === Direction.Sending || (this.#device?.equals(key) ?? false));
  }

  getIdentity(): Promise<PublicKey | null> {
    return Promise.resolve(null);
  }
}

/** Business numbers have no one-time keys. */
export class NoPreKeys extends PreKeyStore {
  savePreKey(): Promise<void> {
    return Promise.reject(new Error('business numbers have no one-time prekeys'));
  }

  getPreKey(): Promise<PreKeyRecord> {
    return Promise.reject(new Error('business numbers have no one-time prekeys'));
  }

  removePreKey(): Promise<void> {
    return Promise.resolve();
  }
}

export class NumberSignedPreKeys extends SignedPreKeyStore {
  readonly #keys: NumberKeys;
  readonly #number: string;

  constructor(keys: NumberKeys, number: string) {
    super();
    this.#keys = keys;
    this.#number = number;
  }

  saveSignedPreKey(): Promise<void> {
    return Promise.reject(new Error('prekeys are made by NumberKeys'));
  }

  getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return this.#keys.signedPreKey(this.#number, id);
  }
}

/** Remembers the base key of a session that a prekey message has started. */
export class NumberKyberPreKeys extends KyberPreKeyStore {
  readonly #keys: NumberKeys;
  readonly #number: string;
  #usedBaseKey: PublicKey | undefined;

  constructor(keys: NumberKeys, number: string) {
    super();
    this.#keys = keys;
    this.#number = number;
  }

  /** The base key of the session started since the last call, if one was. */
  takeUsedBaseKey(): PublicKey | undefined {
    const used = this.#usedBaseKey;
    this.#usedBaseKey = undefined;
    return used;
  }

  saveKyberPreKey(): Promise<void> {
    return Promise.reject(new Error('prekeys are made by NumberKeys'));
  }

  getKyberPreKey(id: number): Promise<KyberPreKeyRecord> {
    return this.#keys.kyberPreKey(this.#number, id);
  }

  markKyberPreKeyUsed(_kyberPreKeyId: number, _signedPreKeyId: number, baseKey: PublicKey): Promise<void> {
    this.#usedBaseKey = baseKey;
    return Promise.resolve();
  }
}
