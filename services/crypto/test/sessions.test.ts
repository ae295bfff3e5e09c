/** Sessions through the real service, with a libsignal device at the other end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { ReplySchema } from '@chappe/proto/device/content';
import { CiphertextType } from '@chappe/proto/device/device_service';
import { CryptoFailure, Fact, Verdict } from '@chappe/proto/internal/crypto_service';
import { boundToReply } from '@chappe/seal/bound-to';
import { open } from '@chappe/seal/seal';
import { business, contact, dayMs, Device, Harness, noon, number, only } from './crypto-harness.ts';

test('a message reaches the device as it was sealed, with its id and expiry inside', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const sealedBody = await crypto.sealBody('m-1', 'Votre vol part à 18:40');
  const { sessions } = await crypto.client.encrypt({
    sessions: [
      {
        address: device.address,
        bundle: device.makeBundle(),
        plaintexts: [{ messageId: 'm-1', sealedBody, expiresAtMs: 123n }],
        nextVersion: 1n,
        incarnation: 1,
      },
    ],
  });
  const session = only(sessions);
  assert.equal(session.session?.version, 1n);
  const opened = await device.read(only(session.results));
  assert.deepEqual([opened.messageId, opened.expiresAtMs, opened.startsSession], ['m-1', 123, true]);
  assert.deepEqual([opened.message.body, opened.message.language], ['Votre vol part à 18:40', 'fr']);
});

test('a chain of several is encrypted in order, and the next call continues it', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const first = await crypto.encrypt(device, undefined, ['a', 'b', 'c'], device.makeBundle());
  const second = await crypto.encrypt(device, first.session, ['d']);
  const texts: string[] = [];
  for (const result of [...first.results, ...second.results]) texts.push((await device.read(result)).message.body);
  assert.deepEqual(texts, ['a', 'b', 'c', 'd']);
  assert.equal(second.session?.version, 2n);
});

test('several devices of a contact have sessions of their own, in one call', async () => {
  await using crypto = await Harness.start();
  const devices = [new Device(1), new Device(2)];
  const sealedBody = await crypto.sealBody('m-1', 'hello');
  const { sessions } = await crypto.client.encrypt({
    sessions: devices.map((device) => ({
      address: device.address,
      bundle: device.makeBundle(),
      plaintexts: [{ messageId: 'm-1', sealedBody, expiresAtMs: 0n }],
      nextVersion: 1n,
      incarnation: 1,
    })),
  });
  for (const [index, device] of devices.entries()) {
    assert.equal((await device.read(sessions[index]?.results[0])).message.body, 'hello');
  }
});

test('after the session acknowledgement messages are whispers of less than a quarter of the size', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const first = await crypto.encrypt(device, undefined, ['a'], device.makeBundle());
  const prekeyMessage = only(first.results);
  assert.equal(prekeyMessage.type, CiphertextType.PRE_KEY);
  await device.read(prekeyMessage);
  const acknowledged = await crypto.decrypt(device, first.session, [await device.acknowledgeSession()]);
  assert.deepEqual(only(acknowledged.results).facts, [Fact.SESSION_ACK]);
  assert.equal(only(acknowledged.results).sealedBody.length, 0);

  const second = await crypto.encrypt(device, acknowledged.session, ['b']);
  const whisper = only(second.results);
  assert.equal(whisper.type, CiphertextType.WHISPER);
  assert.ok(whisper.ciphertext.length * 4 < prekeyMessage.ciphertext.length);
  assert.equal((await device.read(whisper)).message.body, 'b');
});

test('a reply comes out re-sealed under the data key of the day, with facts and never text', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { session } = await establish(crypto, device);
  const replies = [
    await device.reply('r-1', { text: 'Merci!', inReplyTo: 'm-1' }),
    await device.reply('r-2', { text: ' STOP ' }),
  ];
  const { results } = await crypto.decrypt(device, session, replies);
  assert.deepEqual(
    results.map(({ verdict, facts, messageId }) => [verdict, facts, messageId]),
    [
      [Verdict.OK, [Fact.REPLY], 'r-1'],
      [Verdict.OK, [Fact.REPLY, Fact.STOP_WORD], 'r-2'],
    ],
  );
  const { keyId, key } = await crypto.client.getDataKey({
    business,
    day: Math.floor(noon / dayMs),
    existingOnly: true,
  });
  const sealedBody = results[0]?.sealedBody ?? new Uint8Array();
  const reply = fromBinary(ReplySchema, open({ id: keyId, bytes: key }, sealedBody, boundToReply(business, 'r-1')));
  assert.deepEqual([reply.text, reply.inReplyTo], ['Merci!', 'm-1']);
});

test('a device starts a session with the bundle of the number; its base key is told once', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { bundle } = await crypto.client.getNumberBundle({ number });
  assert.ok(bundle);
  assert.equal(bundle.preKey, undefined);
  await device.cipher.startSession(number, bundle, noon);
  const replies = [await device.reply('r-1', { text: 'one' }), await device.reply('r-2', { text: 'two' })];
  const { results, session } = await crypto.decrypt(device, undefined, replies);
  assert.deepEqual(
    results.map(({ verdict }) => verdict),
    [Verdict.OK, Verdict.OK],
  );
  assert.deepEqual(
    results.map(({ baseKey }) => baseKey.length),
    [33, 0],
  );

  const answer = await crypto.encrypt(device, session, ['three']);
  assert.equal((await device.read(only(answer.results))).message.body, 'three');
});

test('a message that was decrypted before is a repeat, and leaves the session as it was', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { session } = await establish(crypto, device);
  const reply = await device.reply('r-1', { text: 'once' });
  const first = await crypto.decrypt(device, session, [reply]);
  const again = await crypto.decrypt(device, first.session, [reply]);
  assert.equal(only(again.results).verdict, Verdict.REPEAT);
  assert.equal(again.session, undefined);
});

test('a counter that a rolled back session uses again reads as a duplicate on the device', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { session } = await establish(crypto, device);
  const committed = await crypto.encrypt(device, session, ['x']);
  const rolledBack = await crypto.encrypt(device, session, ['y']);
  await device.read(only(committed.results));
  assert.deepEqual(await device.open(only(rolledBack.results)), { kind: 'undecryptable', reason: 'duplicate' });
});

test('a poison message fails alone, and so does a poison session', async () => {
  await using crypto = await Harness.start();
  const [device, other] = [new Device(1), new Device(2)];
  const good = { messageId: 'm-1', sealedBody: await crypto.sealBody('m-1', 'good'), expiresAtMs: 0n };
  const { sessions } = await crypto.client.encrypt({
    sessions: [
      { address: device.address, plaintexts: [good], nextVersion: 1n, incarnation: 1 },
      {
        address: other.address,
        bundle: other.makeBundle(),
        plaintexts: [{ ...good, messageId: 'm-2' }, { ...good, sealedBody: new Uint8Array([1, 2, 3]) }, good],
        nextVersion: 1n,
        incarnation: 1,
      },
    ],
  });
  assert.equal(sessions[0]?.failure, CryptoFailure.SESSION_UNUSABLE);
  assert.equal(sessions[0].session, undefined);
  assert.deepEqual(
    sessions[1]?.results.map(({ failure }) => failure),
    [CryptoFailure.SEAL_BROKEN, CryptoFailure.SEAL_BROKEN, CryptoFailure.UNSPECIFIED],
  );
  assert.equal((await other.read(sessions[1]?.results[2])).message.body, 'good');
});

test('garbage, an unknown identity and a foreign device are undecryptable', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { session } = await establish(crypto, device);
  const stranger = new Device();
  const reply = await device.reply('r-1', { text: 'hi' });
  const garbage = [
    { ...reply, ciphertext: new Uint8Array([1, 2, 3]) },
    { ...reply, type: CiphertextType.UNSPECIFIED },
  ];
  const verdicts = async (...parameters: Parameters<Harness['decrypt']>) =>
    (await crypto.decrypt(...parameters)).results.map(({ verdict }) => verdict);
  assert.deepEqual(await verdicts(device, session, garbage), [Verdict.UNDECRYPTABLE, Verdict.UNDECRYPTABLE]);
  assert.deepEqual(await verdicts(device, session, [reply], stranger.identityKey), [Verdict.UNDECRYPTABLE]);
  assert.deepEqual(await verdicts(device, session, [reply], new Uint8Array()), [Verdict.UNDECRYPTABLE]);
  assert.deepEqual(await verdicts(device, undefined, [reply]), [Verdict.UNDECRYPTABLE]);
  assert.deepEqual(await verdicts(device, session, [reply]), [Verdict.OK]);
});

test('a sealed session opens only in the row, version and incarnation it was sealed for', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { session } = await establish(crypto, device);
  assert.ok(session);
  const moved = new Device(2);
  const cases = [
    await crypto.encrypt(moved, session, ['x']),
    await crypto.encrypt(device, { ...session, version: session.version + 1n }, ['x']),
    await crypto.encrypt(device, { ...session, incarnation: 2 }, ['x']),
  ];
  assert.deepEqual(
    cases.map(({ failure }) => failure),
    Array(3).fill(CryptoFailure.SEAL_BROKEN),
  );
});

test('a session of an older incarnation never encrypts again, and is forgotten with the next bundle', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const { session } = await establish(crypto, device);
  assert.ok(session);
  const request = { address: device.address, session, nextVersion: 9n, incarnation: 2, plaintexts: [] };
  const { sessions } = await crypto.client.encrypt({ sessions: [request] });
  assert.equal(only(sessions).failure, CryptoFailure.SESSION_UNUSABLE);

  const decrypted = await crypto.client.decrypt({
    sessions: [
      { ...request, identityKey: device.identityKey, ciphertexts: [await device.reply('r-1', { text: 'late' })] },
    ],
  });
  assert.equal(only(decrypted.sessions).results[0]?.verdict, Verdict.OK);
  assert.equal(only(decrypted.sessions).session?.incarnation, 1);

  const renewed = await crypto.client.encrypt({ sessions: [{ ...request, bundle: device.makeBundle() }] });
  assert.equal(only(renewed.sessions).session?.incarnation, 2);
});

test('an unacknowledged session ends after 30 days; a bundle starts a new one', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const first = await crypto.encrypt(device, undefined, ['a'], device.makeBundle());
  crypto.clock.nowMs += 31 * dayMs;
  assert.equal((await crypto.encrypt(device, first.session, ['b'])).failure, CryptoFailure.SESSION_UNUSABLE);
  const renewed = await crypto.encrypt(device, first.session, ['c'], device.makeBundle());
  assert.equal((await device.read(only(renewed.results))).message.body, 'c');
  // The old one is archived, not lost: what was on its way can still be answered.
  assert.equal((await device.read(only(first.results))).message.body, 'a');
});

test('a bundle whose signature is not of its identity key is refused', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const forged = { ...device.makeBundle(), identityKey: new Device().identityKey };
  assert.equal((await crypto.encrypt(device, undefined, ['a'], forged)).failure, CryptoFailure.BUNDLE_INVALID);
});

test("another business's number and body are refused", async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const foreign = { business: 'b-2', number, contact, device: 1 };
  const { sessions } = await crypto.client.encrypt({
    sessions: [
      { address: foreign, bundle: device.makeBundle(), nextVersion: 1n, incarnation: 1 },
      {
        address: device.address,
        bundle: device.makeBundle(),
        plaintexts: [{ messageId: 'm', sealedBody: await crypto.sealBody('m', 'x', 'b-2'), expiresAtMs: 0n }],
        nextVersion: 1n,
        incarnation: 1,
      },
    ],
  });
  assert.equal(sessions[0]?.failure, CryptoFailure.NUMBER_UNKNOWN);
  assert.equal(sessions[1]?.results[0]?.failure, CryptoFailure.SEAL_BROKEN);
});

test('a call of too many operations is refused', async () => {
  await using crypto = await Harness.start();
  const { address } = new Device();
  const sessions = Array.from({ length: 2_001 }, () => ({ address, nextVersion: 1n, incarnation: 1 }));
  await assert.rejects(crypto.client.encrypt({ sessions }), { reason: 'invalidRequest' });
});

async function establish(crypto: Harness, device: Device) {
  const first = await crypto.encrypt(device, undefined, ['first'], device.makeBundle());
  await device.read(only(first.results));
  return crypto.decrypt(device, first.session, [await device.acknowledgeSession()]);
}
