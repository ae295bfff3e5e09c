/** One end of a line of the floor, see floor.ts. */
import { createServer, connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { decodeMessage, encodeMessage } from '@chappe/codec/codec';
import { logVariables, openLog } from '@chappe/drivers/log-driver';
import { openStore, storeVariables } from '@chappe/drivers/store-driver';
import { readEnv } from '@chappe/config/read-env';
import { findOrMakeIdentity, type Account } from '@chappe/handset/account';
import { buildContent } from '@chappe/handset/content';
import { memoryState } from '@chappe/handset/handset-state';
import { MessageCipher } from '@chappe/handset/message-cipher';
import { makePreKeys, makeSignedPreKeys } from '@chappe/handset/prekeys';
import type { Log, LogReader } from '@chappe/log/log';
import { MessageSchema } from '@chappe/proto/device/content';
import { PreKeyBundleSchema, type PreKeyBundle } from '@chappe/proto/device/keys';
import { AttachResponseSchema } from '@chappe/proto/internal/sender_service';
import { boundToBody, boundToSession } from '@chappe/seal/bound-to';
import { open, seal } from '@chappe/seal/seal';
import type { Store, Table } from '@chappe/store/store';
import { z } from 'zod';
import type { FloorPerson, FloorRequest } from './floor.ts';
import { nowMs } from './monotonic-clock.ts';
import { serveParent } from './serve-parent.ts';

/** As a range worker's under load. */
const batch = 160;
const business = 'floor';
const businessNumber = '33123450000';
const dayMs = 24 * 3_600_000;
const text = 'Your parcel 4711 is on its way and arrives between 9 and 12 today. '.repeat(3).slice(0, 160);
const key = { id: 'floor/1', bytes: new Uint8Array(32).fill(7) };

const sessions: Table = { name: 'floor_sessions', key: ['contact'], columns: ['contact', 'sealed'] };
const envelopes: Table = {
  name: 'floor_envelopes',
  key: ['message_id'],
  columns: ['message_id', 'contact', 'ciphertext'],
};
const ledger: Table = { name: 'floor_ledger', key: ['message_id'], columns: ['message_id', 'contact', 'micros'] };

interface Sender {
  readonly log: Log;
  readonly reader: LogReader;
  readonly store: Store;
  readonly topic: string;
  readonly numbers: readonly string[];
  readonly cipher: MessageCipher;
  readonly sessionOf: (number: string) => Uint8Array;
  /** What each message starts a session from; empty: sessions are there. */
  readonly bundles: ReadonlyMap<string, PreKeyBundle>;
  readonly devices: Socket;
}

let sender: Sender | undefined;
let nextPerson = 0;

function take(request: FloorRequest): Promise<unknown> {
  switch (request.kind) {
    case 'beDevices':
      return beDevices(request);
    case 'beSender':
      return beSender(request);
    case 'run':
      return run(request.seconds);
  }
}

/** Decrypts what comes in frames with their length in front, and answers each with four bytes: how many it showed. */
async function beDevices({
  people,
  part,
  socket: path,
  isNew,
}: FloorRequest & { kind: 'beDevices' }): Promise<FloorPerson[]> {
  const ciphers = new Map<string, MessageCipher>();
  const known = Array.from({ length: people }, (_, index): FloorPerson => {
    const number = `336${part}${String(index).padStart(7, '0')}`;
    const state = memoryState();
    const identity = findOrMakeIdentity(state);
    ciphers.set(number, new MessageCipher(state, { ...identity, number, device: 1, credential: '' }));
    const [preKey] = makePreKeys(state, 1);
    const { signedPreKey, lastResortKyberPreKey } = makeSignedPreKeys(state, identity.pair, Date.now());
    const bundle = create(PreKeyBundleSchema, {
      registrationId: identity.registrationId,
      device: 1,
      identityKey: identity.pair.publicKey.serialize(),
      signedPreKey,
      kyberPreKey: lastResortKyberPreKey,
      // A one-time key would be gone after the first message.
      ...(preKey === undefined || isNew ? {} : { preKey }),
    });
    return { number, bundle: toBinary(PreKeyBundleSchema, bundle) };
  });
  const server = createServer((socket) => void show(socket, ciphers, isNew));
  server.listen(path);
  await once(server, 'listening');
  return known;
}

async function show(socket: Socket, ciphers: ReadonlyMap<string, MessageCipher>, isNew: boolean): Promise<void> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk as Buffer]);
    while (bytes.length >= 4 && bytes.length >= 4 + bytes.readUInt32BE(0)) {
      const end = 4 + bytes.readUInt32BE(0);
      const shown = await showFrame(bytes.subarray(4, end), ciphers, isNew);
      bytes = bytes.subarray(end);
      const answer = Buffer.alloc(4);
      answer.writeUInt32BE(shown);
      socket.write(answer);
    }
  }
}

async function showFrame(
  frame: Uint8Array,
  ciphers: ReadonlyMap<string, MessageCipher>,
  isNew: boolean,
): Promise<number> {
  let shown = 0;
  for (const { device, envelopes: pushed } of decodeMessage(AttachResponseSchema, frame).push) {
    const cipher = ciphers.get(device?.contact ?? '');
    for (const envelope of pushed?.envelopes ?? []) {
      if (isNew) cipher?.forgetSessions();
      const opened = await cipher?.open(envelope);
      if (opened?.kind !== 'message') throw new Error('a device cannot read what came');
      shown += 1;
    }
    cipher?.flush();
  }
  return shown;
}

async function beSender({
  people,
  part,
  socket,
  environment,
  isNew,
}: FloorRequest & { kind: 'beSender' }): Promise<void> {
  const config = readEnv(z.object({ ...logVariables, ...storeVariables('') }), environment);
  const log = await openLog(config, 'chappe-floor');
  const store = await openStore(config);
  const topic = `floor-${part}`;
  await log.createTopic(topic);
  await makeTables(store);
  const state = memoryState();
  const account: Account = { ...findOrMakeIdentity(state), number: businessNumber, device: 1, credential: '' };
  const cipher = new MessageCipher(state, account);
  const bundles = new Map(people.map(({ number, bundle }) => [number, fromBinary(PreKeyBundleSchema, bundle)]));
  if (!isNew) for (const [number, bundle] of bundles) await cipher.startSession(number, bundle, Date.now());
  cipher.flush();
  const devices = connect(socket);
  await once(devices, 'connect');
  sender = {
    log,
    reader: await log.openReader(topic, 0),
    store,
    topic,
    numbers: people.map(({ number }) => number),
    cipher,
    sessionOf: (number) => state.get('session', number) ?? new Uint8Array(),
    bundles: isNew ? bundles : new Map(),
    devices,
  };
}

async function makeTables(store: Store): Promise<void> {
  const text64 = 'VARCHAR(64) NOT NULL';
  await store.transaction(async (tx) => {
    await tx.run(
      `CREATE TABLE IF NOT EXISTS floor_sessions (contact ${text64} PRIMARY KEY, sealed MEDIUMBLOB NOT NULL)`,
    );
    await tx.run(
      `CREATE TABLE IF NOT EXISTS floor_envelopes (message_id ${text64} PRIMARY KEY, contact ${text64}, ciphertext MEDIUMBLOB NOT NULL)`,
    );
    await tx.run(
      `CREATE TABLE IF NOT EXISTS floor_ledger (message_id ${text64} PRIMARY KEY, contact ${text64}, micros BIGINT NOT NULL)`,
    );
  });
}

/** A message in hand: its id and its person. */
interface Sent {
  readonly id: string;
  readonly contact: string;
}

async function run(seconds: number): Promise<number> {
  if (sender === undefined) throw new Error('beSender comes first');
  const endMs = nowMs() + seconds * 1_000;
  let charged = 0;
  let shown: Promise<readonly Sent[]> = Promise.resolve([]);
  while (nowMs() < endMs) {
    const { sent, frame, sessionRows, envelopeRows } = await encrypted(sender, await throughLog(sender));
    const toCharge = await shown;
    await commit(sender, sessionRows, envelopeRows, toCharge);
    charged += toCharge.length;
    shown = push(sender, frame, sent);
  }
  await commit(sender, [], [], await shown);
  return charged;
}

/** Seals a batch, appends it and reads it back. */
async function throughLog({ log, reader, topic, numbers }: Sender): Promise<(Sent & { readonly body: Uint8Array })[]> {
  const records = Array.from({ length: batch }, () => {
    const id = randomUUID();
    const message = encodeMessage(MessageSchema, { body: text, language: 'en', template: 'parcel' });
    const contact = numbers[(nextPerson += 1) % numbers.length] ?? '';
    return {
      key: contact,
      headers: { kind: 'send', id, version: 1 },
      value: seal(key, message, boundToBody(business, id)),
    };
  });
  const [result] = await log.append([{ topic, records }]);
  if (result?.kind !== 'appended') throw new Error('a batch was not appended');
  const read = [];
  while (read.length < batch)
    read.push(...(await reader.read({ maxRecords: batch, maxBytes: 4 * 2 ** 20 }, new AbortController().signal)));
  return read.map(({ key: contact, headers: { id }, value }) => ({
    id,
    contact,
    body: open(key, value, boundToBody(business, id)),
  }));
}

/** Person by person, as a range worker's batch goes through crypto. */
async function encrypted(
  { cipher, sessionOf, bundles }: Sender,
  messages: readonly (Sent & { readonly body: Uint8Array })[],
): Promise<{
  readonly sent: readonly Sent[];
  readonly frame: Uint8Array;
  readonly sessionRows: (string | Uint8Array)[][];
  readonly envelopeRows: (string | Uint8Array)[][];
}> {
  const nowDateMs = Date.now();
  const byContact = Map.groupBy(messages, ({ contact }) => contact);
  const envelopeRows: (string | Uint8Array)[][] = [];
  const pushes = [];
  for (const [contact, own] of byContact) {
    const envelopesOf = [];
    for (const { id, body } of own) {
      const content = buildContent({
        messageId: id,
        expiresAtMs: BigInt(nowDateMs + dayMs),
        kind: { case: 'message', value: body },
      });
      const bundle = bundles.get(contact);
      if (bundle !== undefined) await cipher.startSession(contact, bundle, nowDateMs);
      const { ciphertext, type } = await cipher.encrypt(contact, content, nowDateMs);
      envelopeRows.push([id, contact, ciphertext]);
      envelopesOf.push({ from: businessNumber, ciphertext, type });
    }
    pushes.push({ device: { contact, device: 1 }, epoch: 1n, envelopes: { incarnation: 1, envelopes: envelopesOf } });
  }
  cipher.flush();
  const sessionRows = [...byContact.keys()].map((contact) => {
    const row = { business, number: businessNumber, contact, device: 1, version: 1n, incarnation: 1 };
    return [contact, seal(key, sessionOf(contact), boundToSession(row))];
  });
  return { sent: messages, frame: encodeMessage(AttachResponseSchema, { push: pushes }), sessionRows, envelopeRows };
}

async function commit(
  { store }: Sender,
  sessionRows: (string | Uint8Array)[][],
  envelopeRows: (string | Uint8Array)[][],
  toCharge: readonly Sent[],
): Promise<void> {
  const ledgerRows = toCharge.map(({ id, contact }) => [id, contact, 50_000]);
  await store.transaction(async (tx) => {
    await Promise.all([
      tx.insert(sessions, sessionRows, 'replace'),
      tx.insert(envelopes, envelopeRows, 'fail'),
      tx.insert(ledger, ledgerRows, 'fail'),
    ]);
  });
}

async function push({ devices }: Sender, frame: Uint8Array, sent: readonly Sent[]): Promise<readonly Sent[]> {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(frame.length);
  devices.write(head);
  devices.write(frame);
  const [answer] = (await once(devices, 'data')) as [Buffer];
  if (answer.readUInt32BE(0) !== sent.length) throw new Error('devices showed another number of messages');
  return sent;
}

serveParent(take);
