/**
 * The Signal identities of business numbers, and their prekeys.
 *
 * A number has an identity key pair and a registration id for good, and a signed and a last-resort
 * Kyber prekey for each week, made when a bundle is first asked for in it. No one-time keys: they
 * could not be consumed in the range's transaction; the sender refuses a repeated base key instead
 * (protocols 6.5). Private halves rest sealed under a sealing key, bound to number, kind and id.
 */
import { randomInt } from 'node:crypto';
import { ChappeError } from '@chappe/errors/chappe-error';
import { ownBytes } from '@chappe/handset/signal-bytes';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { PreKeyBundleSchema } from '@chappe/proto/device/keys';
import { boundToNumberKey } from '@chappe/seal/bound-to';
import type { Store, Table } from '@chappe/store/store';
import {
  IdentityKeyPair,
  KEMKeyPair,
  KyberPreKeyRecord,
  PrivateKey,
  SignedPreKeyRecord,
} from '@signalapp/libsignal-client';
import { BoundedCache } from './bounded-cache.ts';
import { openedNumberKeysMax, preKeyLifeMs, preKeyPeriodMs } from './limits.ts';
import type { SealingKeys } from './sealing-keys.ts';

/** Business numbers have one device. */
export const numberDevice = 1;
const registrationIdMax = 16_380;

export interface NumberIdentity {
  readonly business: string;
  readonly registrationId: number;
  readonly pair: IdentityKeyPair;
}

type PreKeyKind = 'signed' | 'kyber';

const identitiesTable: Table = {
  name: 'number_identities',
  key: ['number'],
  columns: ['number', 'business', 'registration_id', 'public_key', 'sealed_pair', 'created_at_ms'],
};
const preKeysTable: Table = {
  name: 'number_prekeys',
  key: ['number', 'kind', 'id'],
  columns: ['number', 'kind', 'id', 'sealed_record', 'created_at_ms'],
};

export class NumberKeys {
  readonly #store: Store;
  readonly #sealingKeys: SealingKeys;
  readonly #now: () => number;
  readonly #identities = new BoundedCache<NumberIdentity>(openedNumberKeysMax);
  readonly #preKeys = new BoundedCache<Uint8Array<ArrayBuffer>>(openedNumberKeysMax);

  constructor(options: { readonly store: Store; readonly sealingKeys: SealingKeys; readonly now: () => number }) {
    this.#store = options.store;
    this.#sealingKeys = options.sealingKeys;
    this.#now = options.now;
  }

  /** Makes the number's identity if there is none. @throws ChappeError `alreadyExists` if it is another business's */
  async createNumber(business: string, number: string): Promise<NumberIdentity> {
    const existing = await this.identity(number);
    if (existing === undefined) await this.#insertIdentity(business, number);
    const identity = existing ?? (await this.identity(number));
    if (identity === undefined) throw new Error('an identity that was just written is not there');
    if (identity.business !== business)
      throw new ChappeError('alreadyExists', 'the number belongs to another business');
    return identity;
  }

  /** @throws SealError if the seal is broken; ChappeError or StoreError if a key is not available now */
  async identity(number: string): Promise<NumberIdentity | undefined> {
    const cached = this.#identities.get(number);
    if (cached !== undefined) return cached;
    const [row] = await this.#store.query(
      'SELECT business, registration_id, sealed_pair FROM number_identities WHERE number = ?',
      [number],
    );
    const sealed = row?.['sealed_pair'];
    if (row === undefined || !(sealed instanceof Uint8Array)) return undefined;
    const pair = await this.#sealingKeys.open(sealed, boundToNumberKey(number, 'identity', 0));
    const identity = {
      business: String(row['business']),
      registrationId: Number(row['registration_id']),
      pair: IdentityKeyPair.deserialize(ownBytes(pair)),
    };
    this.#identities.set(number, identity);
    return identity;
  }

  /** The bundle that devices start sessions with. @throws ChappeError `notFound` if the number has no identity */
  async bundle(number: string): Promise<MessageInitShape<typeof PreKeyBundleSchema>> {
    const identity = await this.identity(number);
    if (identity === undefined) throw new ChappeError('notFound', 'there is no such business number');
    const id = Math.floor(this.#now() / preKeyPeriodMs);
    const { signed, kyber } = (await this.#preKeysOf(number, id)) ?? (await this.#makePreKeys(number, id, identity));
    return {
      registrationId: identity.registrationId,
      device: numberDevice,
      identityKey: identity.pair.publicKey.serialize(),
      signedPreKey: { id, publicKey: signed.publicKey().serialize(), signature: signed.signature() },
      kyberPreKey: { id, publicKey: kyber.publicKey().serialize(), signature: kyber.signature() },
    };
  }

  /** @throws Error if it was destroyed or never made */
  async signedPreKey(number: string, id: number): Promise<SignedPreKeyRecord> {
    return SignedPreKeyRecord.deserialize(await this.#openPreKey(number, 'signed', id));
  }

  /** @throws Error if it was destroyed or never made */
  async kyberPreKey(number: string, id: number): Promise<KyberPreKeyRecord> {
    return KyberPreKeyRecord.deserialize(await this.#openPreKey(number, 'kyber', id));
  }

  /** Destroys prekeys that no bundle in use can name any more; how many there were. */
  async destroyOldPreKeys(): Promise<number> {
    const before = this.#now() - preKeyLifeMs;
    const lastPeriod = Math.floor(before / preKeyPeriodMs);
    for (const key of this.#preKeys.keys()) {
      if (Number(key.slice(key.lastIndexOf('/') + 1)) <= lastPeriod) this.#preKeys.delete(key);
    }
    return this.#store.transaction((tx) => tx.run('DELETE FROM number_prekeys WHERE created_at_ms < ?', [before]));
  }

  async #insertIdentity(business: string, number: string): Promise<void> {
    const pair = IdentityKeyPair.generate();
    const sealed = await this.#sealingKeys.seal(pair.serialize(), boundToNumberKey(number, 'identity', 0));
    const registrationId = randomInt(1, registrationIdMax + 1);
    const row = [number, business, registrationId, pair.publicKey.serialize(), sealed, this.#now()];
    await this.#store.transaction((tx) => tx.insert(identitiesTable, [row], 'ignore'));
  }

  async #preKeysOf(
    number: string,
    id: number,
  ): Promise<{ signed: SignedPreKeyRecord; kyber: KyberPreKeyRecord } | undefined> {
    const [signed, kyber] = [await this.#findPreKey(number, 'signed', id), await this.#findPreKey(number, 'kyber', id)];
    if (signed === undefined || kyber === undefined) return undefined;
    return { signed: SignedPreKeyRecord.deserialize(signed), kyber: KyberPreKeyRecord.deserialize(kyber) };
  }

  /** Whoever inserts a week's rows first has made them; the rows decide, not what was generated. */
  async #makePreKeys(
    number: string,
    id: number,
    identity: NumberIdentity,
  ): Promise<{ signed: SignedPreKeyRecord; kyber: KyberPreKeyRecord }> {
    const nowMs = this.#now();
    const { privateKey } = identity.pair;
    const signedKey = PrivateKey.generate();
    const signedPublic = signedKey.getPublicKey();
    const signed = SignedPreKeyRecord.new(
      id,
      nowMs,
      signedPublic,
      signedKey,
      privateKey.sign(signedPublic.serialize()),
    );
    const kyberPair = KEMKeyPair.generate();
    const kyber = KyberPreKeyRecord.new(id, nowMs, kyberPair, privateKey.sign(kyberPair.getPublicKey().serialize()));
    const rows = [
      [
        number,
        'signed',
        id,
        await this.#sealingKeys.seal(signed.serialize(), boundToNumberKey(number, 'signed', id)),
        nowMs,
      ],
      [
        number,
        'kyber',
        id,
        await this.#sealingKeys.seal(kyber.serialize(), boundToNumberKey(number, 'kyber', id)),
        nowMs,
      ],
    ];
    await this.#store.transaction((tx) => tx.insert(preKeysTable, rows, 'ignore'));
    const made = await this.#preKeysOf(number, id);
    if (made === undefined) throw new Error('prekeys that were just written are not there');
    return made;
  }

  async #openPreKey(number: string, kind: PreKeyKind, id: number): Promise<Uint8Array<ArrayBuffer>> {
    const record = await this.#findPreKey(number, kind, id);
    if (record === undefined) throw new Error(`the ${kind} prekey ${id} was destroyed or never made`);
    return record;
  }

  async #findPreKey(number: string, kind: PreKeyKind, id: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const cacheKey = `${number}/${kind}/${id}`;
    const cached = this.#preKeys.get(cacheKey);
    if (cached !== undefined) return cached;
    const [row] = await this.#store.query(
      'SELECT sealed_record FROM number_prekeys WHERE number = ? AND kind = ? AND id = ?',
      [number, kind, id],
    );
    const sealed = row?.['sealed_record'];
    if (!(sealed instanceof Uint8Array)) return undefined;
    const record = ownBytes(await this.#sealingKeys.open(sealed, boundToNumberKey(number, kind, id)));
    this.#preKeys.set(cacheKey, record);
    return record;
  }
}
