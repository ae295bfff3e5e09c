/** A real crypto service on a socket in a folder of its own, and devices that speak to it with libsignal. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { findOrMakeIdentity, type Account } from '@chappe/handset/account';
import { buildContent } from '@chappe/handset/content';
import { memoryState, type HandsetState } from '@chappe/handset/handset-state';
import type { OpenedMessage } from '@chappe/handset/mailbox';
import { MessageCipher } from '@chappe/handset/message-cipher';
import { makePreKeys, makeSignedPreKeys } from '@chappe/handset/prekeys';
import { MessageSchema, ReplySchema } from '@chappe/proto/device/content';
import { EnvelopeSchema } from '@chappe/proto/device/device_service';
import { PreKeyBundleSchema, type PreKeyBundle } from '@chappe/proto/device/keys';
import {
  CryptoService,
  type Ciphertext,
  type EncryptResult,
  type SealedSession,
} from '@chappe/proto/internal/crypto_service';
import { Channel, type Client } from '@chappe/rpc/client';
import { boundToBody } from '@chappe/seal/bound-to';
import { seal } from '@chappe/seal/seal';
import type { Store } from '@chappe/store/store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { openTelemetry, type Telemetry } from '@chappe/telemetry/telemetry';
import { startCrypto } from '../src/crypto-service.ts';
import { openOrCreateKeyFile } from '../src/first-start.ts';

export const business = 'b-1';
export const number = '33755550000';
export const contact = '33612345678';
export const noon = Date.UTC(2026, 5, 15, 12);
export const dayMs = 86_400_000;

export class Harness implements AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  readonly client: Client<typeof CryptoService>;
  readonly clock: { nowMs: number };
  readonly telemetry: Telemetry;
  readonly #parts: AsyncDisposableStack;

  private constructor(
    parts: Pick<Harness, 'folder' | 'store' | 'client' | 'clock' | 'telemetry'>,
    stack: AsyncDisposableStack,
  ) {
    this.folder = parts.folder;
    this.store = parts.store;
    this.client = parts.client;
    this.clock = parts.clock;
    this.telemetry = parts.telemetry;
    this.#parts = stack;
  }

  static async start(): Promise<Harness> {
    const stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'chappe-crypto-'));
    stack.defer(() => rm(folder, { recursive: true }));
    const store = stack.use(await openSqliteStore({ path: join(folder, 'crypto.sqlite') }));
    const keyEncryptionKeys = await openOrCreateKeyFile(join(folder, 'keys'), store);
    const telemetry = openTelemetry({ service: 'crypto', level: 'silent' });
    const clock = { nowMs: noon };
    const address = `unix:${join(folder, 'crypto.sock')}`;
    const now = (): number => clock.nowMs;
    stack.use(await startCrypto({ address, store, keyEncryptionKeys, telemetry, now }));
    const channel = stack.use(new Channel({ address }));
    const client = channel.client(CryptoService);
    await client.createNumber({ business, number });
    return new Harness({ folder, store, client, clock, telemetry }, stack);
  }

  async sealBody(messageId: string, body: string, of = business): Promise<Uint8Array> {
    const day = Math.floor(this.clock.nowMs / dayMs);
    const { keyId, key } = await this.client.getDataKey({ business: of, day });
    const message = toBinary(MessageSchema, create(MessageSchema, { body, language: 'fr' }));
    return seal({ id: keyId, bytes: key }, message, boundToBody(of, messageId));
  }

  /** Encrypts texts to a device, one after the other; message ids are the texts. */
  async encrypt(
    device: Pick<Device, 'address'>,
    session: SealedSession | undefined,
    texts: readonly string[],
    bundle?: PreKeyBundle,
  ) {
    const plaintexts = await Promise.all(
      texts.map(async (text) => ({ messageId: text, sealedBody: await this.sealBody(text, text), expiresAtMs: 0n })),
    );
    const { sessions } = await this.client.encrypt({
      sessions: [
        {
          address: device.address,
          plaintexts,
          nextVersion: (session?.version ?? 0n) + 1n,
          incarnation: 1,
          ...(session === undefined ? {} : { session }),
          ...(bundle === undefined ? {} : { bundle }),
        },
      ],
    });
    return only(sessions);
  }

  async decrypt(
    device: Pick<Device, 'address' | 'identityKey'>,
    session: SealedSession | undefined,
    ciphertexts: readonly Pick<Ciphertext, 'ciphertext' | 'type'>[],
    identityKey = device.identityKey,
  ) {
    const { sessions } = await this.client.decrypt({
      sessions: [
        {
          address: device.address,
          identityKey,
          ciphertexts: ciphertexts.map(({ ciphertext, type }) => ({ ciphertext, type })),
          nextVersion: (session?.version ?? 0n) + 1n,
          incarnation: 1,
          ...(session === undefined ? {} : { session }),
        },
      ],
    });
    return only(sessions);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}

export type Encrypted = Awaited<ReturnType<MessageCipher['encrypt']>>;

/** A contact's device, as the handset library makes it. */
export class Device {
  readonly state: HandsetState = memoryState();
  readonly account: Account;
  readonly cipher: MessageCipher;

  constructor(device = 1) {
    this.account = { ...findOrMakeIdentity(this.state), number: contact, device, credential: 'credential' };
    this.cipher = new MessageCipher(this.state, this.account);
  }

  get address() {
    return { business, number, contact, device: this.account.device };
  }

  get identityKey(): Uint8Array {
    return this.account.pair.publicKey.serialize();
  }

  makeBundle(): PreKeyBundle {
    const { signedPreKey, lastResortKyberPreKey } = makeSignedPreKeys(this.state, this.account.pair, noon);
    const [preKey] = makePreKeys(this.state, 1);
    return create(PreKeyBundleSchema, {
      registrationId: this.account.registrationId,
      device: this.account.device,
      identityKey: this.identityKey,
      signedPreKey,
      kyberPreKey: lastResortKyberPreKey,
      ...(preKey === undefined ? {} : { preKey }),
    });
  }

  open({ ciphertext, type }: EncryptResult) {
    return this.cipher.open(create(EnvelopeSchema, { number: 1n, from: number, sessionNo: 1, ciphertext, type }));
  }

  async read(result: EncryptResult | undefined): Promise<OpenedMessage> {
    if (result === undefined) throw new Error('nothing was encrypted');
    const opened = await this.open(result);
    if (opened.kind !== 'message') throw new Error(`undecryptable: ${opened.reason}`);
    return opened;
  }

  acknowledgeSession(): Promise<Encrypted> {
    return this.cipher.encrypt(
      number,
      buildContent({ messageId: 'ack', kind: { case: 'sessionAck', value: {} } }),
      noon,
    );
  }

  reply(messageId: string, init: MessageInitShape<typeof ReplySchema>): Promise<Encrypted> {
    const value = toBinary(ReplySchema, create(ReplySchema, init));
    return this.cipher.encrypt(number, buildContent({ messageId, kind: { case: 'reply', value } }), noon);
  }
}

export function only<T>(items: readonly T[]): T {
  const [item] = items;
  if (item === undefined || items.length !== 1) throw new Error(`${items.length} instead of one`);
  return item;
}
