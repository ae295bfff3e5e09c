/**
 * SECRET, looked for where it could be broken: in the raw bytes of every file of the data folder,
 * while the node runs (write-ahead logs included) and after it has ended, in all that it logs at
 * the finest level, and in its metrics.
 */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { AdminClient } from '@chappe/client/admin-client';
import { ChappeClient } from '@chappe/client/chappe-client';
import { DataKeys } from '@chappe/crypto/data-keys';
import { openOrCreateKeyFile } from '@chappe/crypto/first-start';
import { NumberKeys } from '@chappe/crypto/number-keys';
import { SealingKeys } from '@chappe/crypto/sealing-keys';
import { findAccount } from '@chappe/handset/account';
import { MessageState } from '@chappe/proto/v1/event';
import { Channel } from '@chappe/rpc/client';
import { boundToSession } from '@chappe/seal/bound-to';
import type { Store } from '@chappe/store/store';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import { dataFilesIn } from '../../src/data-files.ts';
import { storedEnvelopes } from '../stored-envelopes.ts';
import { freeAddresses, startNodeProcess } from '../node-process.ts';
import {
  allEnded,
  copyOf,
  freeText,
  ledgerOf,
  makeBusiness,
  makeNote,
  note,
  openPhone,
  optIn,
  reached,
  refusalOf,
  startPhone,
  startTestNode,
} from '../test-node.ts';

const number = '+33123456789';
const person = '+33612345678';
const offline = '+33612345679';

const echo = 'marker-of-an-echo';

/** Texts that are nowhere else, each long enough to be met by chance never. */
const marker = {
  parameter: 'marker-of-a-template-parameter',
  text: 'marker-of-a-free-text',
  reply: 'marker-of-a-reply',
  stopWord: 'uNsUbScRiBe',
  waiting: 'marker-of-a-message-that-waits',
  withoutOptIn: 'marker-of-a-message-without-opt-in',
  withoutDevice: 'marker-of-a-message-without-a-device',
  tooLong: 'marker-of-a-text-that-is-too-long',
  unknownParameter: 'marker-of-a-parameter-that-is-unknown',
  afterStop: 'marker-of-a-message-after-the-stop-word',
  madeAnew: 'marker-of-a-message-that-is-made-anew',
} as const;

describe('SECRET', () => {
  test('SECRET: no text, no private key and no session is in any file, log line or metric', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'chappe-secret-'));
    await using folders = new AsyncDisposableStack();
    folders.defer(() => rm(folder, { recursive: true, force: true }));
    const seen: Seen = new Map();
    const handsetKey = await liveThrough(folder, seen);

    // What the node ended with, opened as only the node may.
    await noteFiles(folder, 'after the end', seen);
    const secrets = await openedSecrets(folder);
    assert.ok(secrets.size >= 6, 'keys and sessions were found');

    assert.ok((seen.get('the log')?.length ?? 0) > 1_000, 'something was logged');
    assert.ok((seen.get('the metrics')?.length ?? 0) > 1_000, 'there are metrics');
    // Echoes are no content and lie open: that they are found shows that the search finds.
    assert.throws(() => assertNowhere(seen, 'the echo', formsOf(Buffer.from(echo))));
    for (const [name, text] of Object.entries(marker)) assertNowhere(seen, name, formsOf(Buffer.from(text)));
    for (const [name, bytes] of secrets) assertNowhere(seen, name, formsOf(bytes));
    assertNowhere(seen, 'the private key of a handset', formsOf(handsetKey));
  });

  test('SECRET: no two texts are under one message key, over batches and restarts', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', number);
    await makeNote(client);
    await optIn(client, person);
    const phone = await startPhone(node, person, { connect: false });
    const linkCode = await phone.handset.createLinkCode();
    await startPhone(node, person, { connect: false, linkCode });
    const ids: string[] = [];
    const sendMany = async (count: number): Promise<void> => {
      const sends = Array.from({ length: count }, (_, index) =>
        client.send(note(person, `text ${ids.length + index}`)),
      );
      for (const { messageId } of await Promise.all(sends)) ids.push(messageId);
    };
    await sendMany(20);
    await node.restart();
    await sendMany(20);
    await reached(client, ids.at(-1) ?? '', MessageState.SENT);
    const keys = await messageKeysIn(node.folder);
    assert.equal(keys.length, 80, 'each message is there for each device');
    await node.restart();
    await sendMany(10);
    await reached(client, ids.at(-1) ?? '', MessageState.SENT);
    keys.push(...(await messageKeysIn(node.folder)));

    const textOf = new Map<string, string>();
    for (const { key, messageId, ciphertext } of keys) {
      const before = textOf.get(key) ?? `${messageId} ${ciphertext}`;
      assert.equal(`${messageId} ${ciphertext}`, before, `${messageId} is under the key of another text`);
      textOf.set(key, before);
    }
    assert.equal(textOf.size, 100);
  });
});

/** Bytes by the place where they are. */
type Seen = Map<string, Buffer>;

/** A life with everything that has a text in it; the private key of a handset. */
async function liveThrough(folder: string, seen: Seen): Promise<Uint8Array> {
  const addresses = await freeAddresses();
  const process = await startNodeProcess({
    CHAPPE_DATA: folder,
    CHAPPE_GATEWAY_ADDRESS: addresses.gateway,
    CHAPPE_DEVICE_ADDRESS: addresses.devices,
    CHAPPE_LOG_LEVEL: 'trace',
  });
  let handsetKey = new Uint8Array();
  {
    await using stack = new AsyncDisposableStack();
    stack.use(process);
    const { adminKey: adminKeyFile, registrationCodes: registrationCodesFile } = dataFilesIn(folder);
    const devices = stack.use(new Channel({ address: addresses.devices }));
    const node = { devices, registrationCodesFile };
    const adminKey = (await readFile(adminKeyFile, 'utf8')).trim();
    const admin = stack.use(new AdminClient({ address: addresses.gateway, adminKey }));
    const { apiKey } = await admin.businesses.create({ name: 'Air Semaphore', number });
    const client = stack.use(new ChappeClient({ address: addresses.gateway, apiKey }));
    await makeNote(client);
    await optIn(client, person, offline, '+33612345670');
    await using phone = await startPhone(node, person);
    await startPhone(node, offline, { connect: false });
    handsetKey = Uint8Array.from(findAccount(phone.state)?.pair.privateKey.serialize() ?? []);
    const beforeFirst = copyOf(phone.state);

    const ids = [(await client.send({ ...note(person, marker.parameter), echo })).messageId];
    await phone.showed(1);
    await phone.handset.reply(number, marker.reply, { inReplyTo: ids[0] ?? '' });
    for await (const { kind } of client.subscribe())
      if (kind.case === 'received' && kind.value.text === marker.reply) break;
    ids.push((await client.send(freeText(person, marker.text))).messageId);
    for (const send of [
      note(offline, marker.waiting),
      note('+33612345671', marker.withoutOptIn),
      note('+33612345670', marker.withoutDevice),
    ]) {
      ids.push((await client.send(send)).messageId);
    }
    await reached(client, ids[2] ?? '', MessageState.SENT);
    ids.splice(2, 1);
    await refusalOf(client.send(freeText(person, marker.tooLong.repeat(300))));
    const parameters = { text: 'x', other: marker.unknownParameter };
    await refusalOf(
      client.send({ to: person, content: { case: 'template', value: { name: 'note', language: 'en', parameters } } }),
    );
    await allEnded(client, ids);

    // A phone that has lost its session: what it cannot read is made anew.
    await phone[Symbol.asyncDispose]();
    await using restored = openPhone(node, beforeFirst);
    await reached(client, (await client.send(note(person, marker.madeAnew))).messageId);
    await restored.handset.reply(number, `${marker.stopWord}!`);
    for await (const { kind } of client.subscribe())
      if (kind.case === 'optIn' && kind.value.cause === 'stop_word') break;
    await reached(client, (await client.send(note(person, marker.afterStop))).messageId);
    await ledgerOf(client, 3);
    await noteFiles(folder, 'while it runs', seen);
    const metrics = await fetch(`http://${process.admin}/metrics`);
    seen.set('the metrics', Buffer.from(await metrics.bytes()));
  }
  seen.set('the log', Buffer.from(process.stderr));
  return handsetKey;
}

async function noteFiles(folder: string, when: string, seen: Seen): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    seen.set(`${path} ${when}`, await readFile(path));
  }
}

/** The forms in which bytes could have been written. */
function formsOf(bytes: Uint8Array): Buffer[] {
  const raw = Buffer.from(bytes);
  const hex = raw.toString('hex');
  const forms = [raw, Buffer.from(hex), Buffer.from(hex.toUpperCase())];
  // Base64 of bytes that begin at each place of a group of three; the characters that neighbours change are left out.
  for (const shift of [0, 1, 2]) {
    const encoded = Buffer.concat([Buffer.alloc(shift), raw])
      .toString('base64')
      .replaceAll('=', '');
    const inner = encoded.slice(shift === 0 ? 0 : shift + 1, -2);
    forms.push(Buffer.from(inner), Buffer.from(inner.replaceAll('+', '-').replaceAll('/', '_')));
  }
  forms.push(Buffer.from(raw.toString('latin1'), 'utf16le'));
  return forms;
}

function assertNowhere(seen: Seen, what: string, forms: readonly Buffer[]): void {
  for (const [place, content] of seen) {
    for (const form of forms) assert.ok(!content.includes(form), `${what} is in ${place}`);
  }
}

/** Private keys, data keys and session records, as crypto opens them. */
async function openedSecrets(folder: string): Promise<Map<string, Uint8Array>> {
  const files = dataFilesIn(folder);
  await using messages = await openSqliteStore({ path: files.store });
  await using store = await openSqliteStore({ path: files.cryptoStore });
  const keyEncryptionKeys = await openOrCreateKeyFile(files.keyEncryptionKeys, store);
  const sealingKeys = new SealingKeys({ store, keyEncryptionKeys, now: Date.now });
  const numbers = new NumberKeys({ store, sealingKeys, now: Date.now });
  const secrets = new Map<string, Uint8Array>();

  const digits = number.slice(1);
  const identity = await numbers.identity(digits);
  secrets.set('the identity key', identity?.pair.privateKey.serialize() ?? new Uint8Array());
  for (const row of await store.query('SELECT kind, id FROM number_prekeys')) {
    const id = Number(row['id']);
    const isSigned = row['kind'] === 'signed';
    const key = isSigned
      ? (await numbers.signedPreKey(digits, id)).privateKey().serialize()
      : (await numbers.kyberPreKey(digits, id)).secretKey().serialize().slice(0, 256);
    secrets.set(`a ${isSigned ? 'signed' : 'Kyber'} prekey`, key);
  }
  const dataKeys = new DataKeys({ store, keyEncryptionKeys, now: Date.now });
  for (const row of await store.query('SELECT key_id, day FROM data_keys')) {
    const [business = ''] = String(row['key_id']).split('/');
    secrets.set('a data key', (await dataKeys.get(business, Number(row['day']), true)).bytes);
  }
  for (const [name, record] of await openedSessions(messages, sealingKeys, identity?.business ?? '')) {
    // 64 bytes are more than any public key in it that may be elsewhere.
    secrets.set(`the beginning of ${name}`, record.subarray(0, 64));
    secrets.set(`the middle of ${name}`, record.subarray(record.length >> 1, (record.length >> 1) + 64));
  }
  return secrets;
}

async function openedSessions(
  store: Store,
  sealingKeys: SealingKeys,
  business: string,
): Promise<Map<string, Uint8Array>> {
  const sessions = new Map<string, Uint8Array>();
  for (const row of await store.query('SELECT * FROM sessions')) {
    const [contact, device] = [String(row['contact']), Number(row['device'])];
    const place = { business, number: String(row['number']), contact, device };
    const bound = boundToSession({
      ...place,
      version: BigInt(Number(row['version'])),
      incarnation: Number(row['incarnation']),
    });
    const sealed = row['sealed'];
    if (!(sealed instanceof Uint8Array)) throw new Error('a session without its record');
    sessions.set(`the session with ${contact}/${device}`, await sealingKeys.open(sealed, bound));
  }
  return sessions;
}

interface MessageKey {
  /** Session, ratchet key and counter: what one message key belongs to. */
  readonly key: string;
  readonly messageId: string;
  readonly ciphertext: string;
}

async function messageKeysIn(folder: string): Promise<MessageKey[]> {
  return (await storedEnvelopes(folder)).map(({ contact, device, messageId, type, ciphertext }) => {
    // 2: a prekey message, which carries the message proper as its field 4.
    const message = type === 2 ? innerMessageOf(ciphertext) : ciphertext;
    const { ratchetKey, counter } = ratchetPlaceOf(message);
    return {
      key: `${contact}/${device} ${ratchetKey} ${counter}`,
      messageId,
      ciphertext: Buffer.from(message).toString('base64'),
    };
  });
}

/** libsignal's wire.proto: a version byte, then PreKeySignalMessage. */
function innerMessageOf(bytes: Uint8Array): Uint8Array {
  const message = fieldsOf(bytes.subarray(1)).get(4);
  if (!(message instanceof Uint8Array)) throw new Error('a prekey message without its message');
  return message;
}

/** libsignal's wire.proto: a version byte, SignalMessage (1: ratchet key, 2: counter), 8 bytes of MAC. */
function ratchetPlaceOf(bytes: Uint8Array): { ratchetKey: string; counter: number } {
  const fields = fieldsOf(bytes.subarray(1, -8));
  const [ratchetKey, counter] = [fields.get(1), fields.get(2) ?? 0];
  if (!(ratchetKey instanceof Uint8Array) || typeof counter !== 'number') throw new Error('not a SignalMessage');
  return { ratchetKey: Buffer.from(ratchetKey).toString('hex'), counter };
}

function fieldsOf(bytes: Uint8Array): Map<number, number | Uint8Array> {
  const reader = new BinaryReader(bytes);
  const fields = new Map<number, number | Uint8Array>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    fields.set(field, wireType === WireType.LengthDelimited ? reader.bytes() : reader.uint32());
  }
  return fields;
}
