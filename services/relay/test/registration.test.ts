/** How an installation becomes a device: the way it should go, and every refusal. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { LogError } from '@chappe/log/log-error';
import type { Log } from '@chappe/log/log';
import { CommandSchema } from '@chappe/proto/internal/commands';
import { purge } from '../src/purger.ts';
import { contact, makeKeys, makePreKeys, makeSignedKeys, refusedWith, startHarness, type Harness } from './harness.ts';

const number = `+${contact}`;

async function linkCode(harness: Harness, credential: string): Promise<string> {
  return (await harness.device(credential).createLinkCode({})).linkCode;
}

test('a code makes a device, and the log has the registration before the answer', async () => {
  await using harness = await startHarness();
  const keys = makeKeys();
  const { device, credential } = await harness.register(keys);
  assert.equal(device, 1);
  assert.equal(harness.codes[0]?.number, contact);

  const [record] = await harness.log.readAt('range-r-1', 0, 10);
  assert.ok(record);
  assert.deepEqual([record.key, record.headers.kind], [contact, 'device_registered']);
  const { kind } = fromBinary(CommandSchema, record.value);
  assert.ok(kind.case === 'deviceRegistered');
  assert.deepEqual([kind.value.device, kind.value.registrationId, kind.value.primary], [1, keys.registrationId, true]);
  assert.deepEqual(Buffer.from(kind.value.identityKey), Buffer.from(keys.identityKey ?? []));
  assert.deepEqual(await harness.device(credential).uploadPreKeys({}), {
    preKeyCount: 3,
    $typeName: 'chappe.device.v1.UploadPreKeysResponse',
  });
});

test('a wrong code is refused, five of them spend the right one', async () => {
  await using harness = await startHarness();
  await harness.registration.requestCode({ number });
  const code = harness.codes[0]?.code ?? '';
  const wrong = code === '000000' ? '000001' : '000000';
  const attempt = (value: string): Promise<unknown> =>
    harness.registration.register({ number, proof: { case: 'code', value }, ...makeKeys() });
  for (let left = 4; left >= 0; left -= 1) {
    await assert.rejects(attempt(wrong), refusedWith('parameterInvalid', new RegExp(`${left} tries`)));
  }
  await assert.rejects(attempt(code), refusedWith('parameterInvalid', /ask for a new one/));
  assert.equal(await harness.log.end('range-r-1'), 0);
});

test('a code is good for ten minutes and once', async () => {
  await using harness = await startHarness();
  await harness.registration.requestCode({ number });
  const attempt = (): Promise<unknown> =>
    harness.registration.register({
      number,
      proof: { case: 'code', value: harness.codes.at(-1)?.code ?? '' },
      ...makeKeys(),
    });
  harness.clock.nowMs += 10 * 60_000;
  await assert.rejects(attempt(), refusedWith('parameterInvalid'));
  await harness.registration.requestCode({ number });
  await attempt();
  await assert.rejects(attempt(), refusedWith('parameterInvalid'));
});

test('the sixth code of an hour is refused until the hour is over', async () => {
  await using harness = await startHarness();
  for (let sent = 0; sent < 5; sent += 1) await harness.registration.requestCode({ number });
  await assert.rejects(harness.registration.requestCode({ number }), refusedWith('tooManyRequests', /60 minutes/));
  harness.clock.nowMs += 59 * 60_000;
  await purge(harness.store, harness.clock.nowMs);
  await assert.rejects(harness.registration.requestCode({ number }), refusedWith('tooManyRequests', /1 minutes/));
  harness.clock.nowMs += 60_000;
  await harness.registration.requestCode({ number });
  assert.equal(harness.codes.length, 6);
});

test('bad numbers, keys and signatures are refused by name', async () => {
  await using harness = await startHarness();
  const good = makeKeys();
  const attempt = (changes: object): Promise<unknown> =>
    harness.registration.register({ number, proof: { case: 'code', value: '123456' }, ...good, ...changes });
  const stranger = makeSignedKeys(makeKeys().identity, 1);
  const [preKey] = makePreKeys(1, 1);
  assert.ok(preKey);

  await assert.rejects(harness.registration.requestCode({ number: '12' }), refusedWith('userInvalid'));
  await assert.rejects(attempt({ number: 'nobody' }), refusedWith('userInvalid'));
  await assert.rejects(attempt({ proof: { case: undefined } }), refusedWith('parameterMissing'));
  await assert.rejects(attempt({ registrationId: 0 }), refusedWith('parameterInvalid', /registration_id/));
  await assert.rejects(attempt({ registrationId: 16_381 }), refusedWith('parameterInvalid', /registration_id/));
  await assert.rejects(attempt({ identityKey: new Uint8Array(33) }), refusedWith('parameterInvalid', /identity_key/));
  await assert.rejects(attempt({ signedPreKey: undefined }), refusedWith('parameterMissing', /signed_pre_key/));
  await assert.rejects(attempt({ lastResortKyberPreKey: undefined }), refusedWith('parameterMissing', /kyber/));
  await assert.rejects(
    attempt({ signedPreKey: stranger.signedPreKey }),
    refusedWith('parameterInvalid', /signed_pre_key: its signature/),
  );
  await assert.rejects(
    attempt({ lastResortKyberPreKey: stranger.lastResortKyberPreKey }),
    refusedWith('parameterInvalid', /kyber_pre_key: its signature/),
  );
  await assert.rejects(attempt({ lastResortKyberPreKey: good.signedPreKey }), refusedWith('parameterInvalid', /Kyber/));
  await assert.rejects(attempt({ preKeys: makePreKeys(1, 201) }), refusedWith('parameterInvalid', /at most 200/));
  await assert.rejects(attempt({ preKeys: [preKey, preKey] }), refusedWith('parameterInvalid', /same id/));
  await assert.rejects(
    attempt({ preKeys: [{ id: 1, publicKey: new Uint8Array(5) }] }),
    refusedWith('parameterInvalid', /pre_keys/),
  );
  const trailing = (key: Uint8Array): Uint8Array => Uint8Array.from([...key, 0]);
  await assert.rejects(
    attempt({ identityKey: trailing(good.identityKey ?? new Uint8Array()) }),
    refusedWith('parameterInvalid', /identity_key: a public key has 33 bytes/),
  );
  await assert.rejects(
    attempt({ preKeys: [{ ...preKey, publicKey: trailing(preKey.publicKey) }] }),
    refusedWith('parameterInvalid', /pre_keys: a public key has 33 bytes/),
  );
  await assert.rejects(harness.device('nonsense').createLinkCode({}), refusedWith('unauthenticated'));
});

test('of many registrations with one code at once, one succeeds', async () => {
  await using harness = await startHarness();
  await harness.registration.requestCode({ number });
  const value = harness.codes[0]?.code ?? '';
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, () =>
      harness.registration.register({ number, proof: { case: 'code', value }, ...makeKeys() }),
    ),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  assert.equal(await harness.log.end('range-r-1'), 1);
});

test('a link code adds a device, once, for its own number', async () => {
  await using harness = await startHarness();
  const first = await harness.register();
  const code = await linkCode(harness, first.credential);
  const attempt = (to: string): Promise<{ device: number; credential: string }> =>
    harness.registration.register({
      number: to,
      proof: { case: 'linkCode', value: code.toLowerCase() },
      ...makeKeys(),
    });
  await assert.rejects(attempt('+33612345679'), refusedWith('parameterInvalid', /link_code/));
  assert.equal((await attempt(number)).device, 2);
  await assert.rejects(attempt(number), refusedWith('parameterInvalid', /link_code/));
  await linkCode(harness, first.credential);

  const { kind } = fromBinary(
    CommandSchema,
    (await harness.log.readAt('range-r-1', 1, 1))[0]?.value ?? new Uint8Array(),
  );
  assert.ok(kind.case === 'deviceRegistered' && !kind.value.primary);
});

test('a link code ends after ten minutes', async () => {
  await using harness = await startHarness();
  const code = await linkCode(harness, (await harness.register()).credential);
  harness.clock.nowMs += 10 * 60_000;
  await assert.rejects(
    harness.registration.register({ number, proof: { case: 'linkCode', value: code }, ...makeKeys() }),
    refusedWith('parameterInvalid', /link_code/),
  );
});

test('a number has at most ten devices', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register();
  const link = async (): Promise<unknown> =>
    harness.registration.register({
      number,
      proof: { case: 'linkCode', value: await linkCode(harness, credential) },
      ...makeKeys(0),
    });
  for (let count = 2; count <= 10; count += 1) await link();
  await assert.rejects(link(), refusedWith('parameterInvalid', /10 devices/));
});

test('a new primary device removes the others, whose number is not used again', async () => {
  await using harness = await startHarness();
  const old = await harness.register();
  const renewed = await harness.register();
  assert.equal(renewed.device, 2);
  await assert.rejects(harness.device(old.credential).createLinkCode({}), refusedWith('unauthenticated'));
  await linkCode(harness, renewed.credential);
  const { results } = await harness.preKeys.claim({ claims: [{ claimId: 'c', contact, device: old.device }] });
  assert.equal(results[0]?.bundle, undefined);
});

test('SECRET: a link code made before a new primary device brings nobody back', async () => {
  await using harness = await startHarness();
  const old = await harness.register();
  const value = await linkCode(harness, old.credential);
  await harness.register();
  await assert.rejects(
    harness.registration.register({ number, proof: { case: 'linkCode', value }, ...makeKeys() }),
    refusedWith('parameterInvalid'),
  );
});

test('what the log did not take leaves nothing usable behind, and the code stays good', async () => {
  let broken = true;
  const before = (log: Log): Log => ({
    ...boundMethods(log),
    append: (appends) =>
      broken
        ? Promise.resolve(
            appends.map(() => ({ kind: 'failed', error: new LogError('gap', 'the log is broken') }) as const),
          )
        : log.append(appends),
  });
  await using harness = await startHarness({ before });
  const former = await (async () => {
    broken = false;
    const registered = await harness.register();
    broken = true;
    return registered;
  })();
  await harness.registration.requestCode({ number });
  const attempt = (): Promise<{ device: number }> =>
    harness.registration.register({
      number,
      proof: { case: 'code', value: harness.codes.at(-1)?.code ?? '' },
      ...makeKeys(),
    });
  await assert.rejects(attempt(), refusedWith('internal'));
  await linkCode(harness, former.credential);
  const { results } = await harness.preKeys.claim({ claims: [{ claimId: 'c', contact, device: 2 }] });
  assert.equal(results[0]?.bundle, undefined);
  const rows = await harness.store.query(`SELECT device FROM relay_devices WHERE state <> 'removed'`);
  assert.deepEqual(rows, [{ device: 1 }]);

  broken = false;
  assert.equal((await attempt()).device, 3);
});

/** The methods of a log as an object that others can be put over. */
function boundMethods(log: Log): Log {
  return {
    createTopic: (topic) => log.createTopic(topic),
    deleteTopic: (topic) => log.deleteTopic(topic),
    append: (appends) => log.append(appends),
    openReader: (topic, from, last) => log.openReader(topic, from, last),
    readAt: (topic, from, limit) => log.readAt(topic, from, limit),
    end: (topic) => log.end(topic),
    copies: (topics) => log.copies(topics),
    seal: (topics) => log.seal(topics),
    sealedEnd: (topic) => log.sealedEnd(topic),
    deleteBefore: (topic, offset) => log.deleteBefore(topic, offset),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
