/**
 * libsignal's stores over a handset's state.
 *
 * Session records are opened once for each frame and written back by `flush`, however many
 * messages the frame has: serializing one is a good part of the cost of a message. The first
 * identity key of a business number is kept; another one is trusted for nothing until the person
 * accepts it (`forgetIdentity`).
 */
import {
  IdentityChange,
  IdentityKeyStore,
  KyberPreKeyRecord,
  KyberPreKeyStore,
  PreKeyRecord,
  PreKeyStore,
  PublicKey,
  SessionRecord,
  SessionStore,
  SignedPreKeyRecord,
  SignedPreKeyStore,
  type IdentityKeyPair,
  type PrivateKey,
  type ProtocolAddress,
} from '@signalapp/libsignal-client';
import type { Identity } from './account.ts';
import type { HandsetState, RecordKind } from './handset-state.ts';
import { ownBytes } from './signal-bytes.ts';

export class SignalStores {
  readonly sessions: Sessions;
  readonly identities: Identities;
  readonly preKeys: PreKeys;
  readonly signedPreKeys: SignedPreKeys;
  readonly kyberPreKeys: KyberPreKeys;

  constructor(state: HandsetState, identity: Identity) {
    this.sessions = new Sessions(state);
    this.identities = new Identities(state, identity);
    this.preKeys = new PreKeys(state);
    this.signedPreKeys = new SignedPreKeys(state);
    this.kyberPreKeys = new KyberPreKeys(state);
  }
}

class Sessions extends SessionStore {
  readonly #state: HandsetState;
  readonly #opened = new Map<string, SessionRecord>();
  readonly #changed = new Set<string>();

  constructor(state: HandsetState) {
    super();
    this.#state = state;
  }

  find(number: string): SessionRecord | undefined {
    const opened = this.#opened.get(number);
    if (opened !== undefined) return opened;
    const bytes = this.#state.get('session', number);
    if (bytes === undefined) return undefined;
    const record = deserialized(bytes);
    if (record !== undefined) this.#opened.set(number, record);
    return record;
  }

  /** Puts what changed into the state, and keeps nothing open. */
  flush(): void {
    for (const number of this.#changed) {
      const record = this.#opened.get(number);
      if (record !== undefined) this.#state.put('session', number, record.serialize());
    }
    this.#opened.clear();
    this.#changed.clear();
  }

  forget(number: string): void {
    this.#opened.delete(number);
    this.#changed.delete(number);
    this.#state.delete('session', number);
  }

  forgetAll(): void {
    for (const number of new Set([...this.#state.keys('session'), ...this.#changed])) this.forget(number);
  }

  saveSession(name: ProtocolAddress, record: SessionRecord): Promise<void> {
    const number = name.name();
    this.#opened.set(number, record);
    this.#changed.add(number);
    return Promise.resolve();
  }

  getSession(name: ProtocolAddress): Promise<SessionRecord | null> {
    return Promise.resolve(this.find(name.name()) ?? null);
  }

  getExistingSessions(addresses: ProtocolAddress[]): Promise<SessionRecord[]> {
    return Promise.resolve(
      addresses.map((address) => this.find(address.name())).filter((record) => record !== undefined),
    );
  }
}

class Identities extends IdentityKeyStore {
  readonly #state: HandsetState;
  readonly #own: Identity;

  constructor(state: HandsetState, own: Identity) {
    super();
    this.#state = state;
    this.#own = own;
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

  saveIdentity(name: ProtocolAddress, key: PublicKey): Promise<IdentityChange> {
    const number = name.name();
    if (this.#state.get('identity', number) === undefined) this.#state.put('identity', number, key.serialize());
    return Promise.resolve(IdentityChange.NewOrUnchanged);
  }

  isTrustedIdentity(name: ProtocolAddress, key: PublicKey): Promise<boolean> {
    const known = this.#state.get('identity', name.name());
    return Promise.resolve(known === undefined || Buffer.compare(known, key.serialize()) === 0);
  }

  getIdentity(name: ProtocolAddress): Promise<PublicKey | null> {
    const known = this.#state.get('identity', name.name());
    return Promise.resolve(known === undefined ? null : PublicKey.deserialize(ownBytes(known)));
  }
}

class PreKeys extends PreKeyStore {
  readonly #state: HandsetState;

  constructor(state: HandsetState) {
    super();
    this.#state = state;
  }

  savePreKey(): Promise<void> {
    return Promise.reject(new Error('prekeys are made in prekeys.ts'));
  }

  getPreKey(id: number): Promise<PreKeyRecord> {
    return Promise.try(() => PreKeyRecord.deserialize(recordOf(this.#state, 'preKey', id)));
  }

  removePreKey(id: number): Promise<void> {
    this.#state.delete('preKey', String(id));
    return Promise.resolve();
  }
}

class SignedPreKeys extends SignedPreKeyStore {
  readonly #state: HandsetState;

  constructor(state: HandsetState) {
    super();
    this.#state = state;
  }

  saveSignedPreKey(): Promise<void> {
    return Promise.reject(new Error('prekeys are made in prekeys.ts'));
  }

  getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return Promise.try(() => SignedPreKeyRecord.deserialize(recordOf(this.#state, 'signedPreKey', id)));
  }
}

class KyberPreKeys extends KyberPreKeyStore {
  readonly #state: HandsetState;
  #isUsed = false;

  constructor(state: HandsetState) {
    super();
    this.#state = state;
  }

  /** Whether a session was started since the last call: only that uses a Kyber prekey. */
  takeIsUsed(): boolean {
    const isUsed = this.#isUsed;
    this.#isUsed = false;
    return isUsed;
  }

  saveKyberPreKey(): Promise<void> {
    return Promise.reject(new Error('prekeys are made in prekeys.ts'));
  }

  getKyberPreKey(id: number): Promise<KyberPreKeyRecord> {
    return Promise.try(() => KyberPreKeyRecord.deserialize(recordOf(this.#state, 'kyberPreKey', id)));
  }

  /** Last-resort keys stay; a repeated message is noticed by its id and number. */
  markKyberPreKeyUsed(): Promise<void> {
    this.#isUsed = true;
    return Promise.resolve();
  }
}

/** A record that is damaged is as good as none: a new session takes its place. */
function deserialized(bytes: Uint8Array): SessionRecord | undefined {
  try {
    return SessionRecord.deserialize(ownBytes(bytes));
  } catch {
    return undefined;
  }
}

function recordOf(state: HandsetState, kind: RecordKind, id: number): Uint8Array<ArrayBuffer> {
  const bytes = state.get(kind, String(id));
  if (bytes === undefined) throw new Error(`there is no ${kind} ${id}`);
  return ownBytes(bytes);
}
