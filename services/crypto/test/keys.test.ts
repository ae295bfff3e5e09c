/** The key file, the keys of a day, and what lies in the database. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { chmod, chown, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { startCrypto } from '../src/crypto-service.ts';
import { DataKeys } from '../src/data-keys.ts';
import { openOrCreateKeyFile } from '../src/first-start.ts';
import { readKeyAges } from '../src/key-ages.ts';
import { createKeyFile, openKeyFile } from '../src/key-encryption-keys.ts';
import { NumberKeys } from '../src/number-keys.ts';
import { SealingKeys } from '../src/sealing-keys.ts';
import { business, dayMs, Device, Harness, noon, number, only } from './crypto-harness.ts';

const today = Math.floor(noon / dayMs);

test('a first start makes a key file that only its owner may read', async () => {
  await using crypto = await Harness.start();
  const { mode } = await stat(join(crypto.folder, 'keys'));
  assert.equal(mode & 0o777, 0o600);
  await assert.rejects(createKeyFile(join(crypto.folder, 'keys')), { reason: 'notReady', message: /EEXIST/ });
});

test('a key file that others may read, or that is no key file, is refused by its name', async () => {
  await using crypto = await Harness.start();
  const path = join(crypto.folder, 'keys');
  await chmod(path, 0o640);
  await assert.rejects(openKeyFile(path), { reason: 'notReady', message: /keys cannot be used.*chmod 600/ });
  const broken = join(crypto.folder, 'broken');
  await writeFile(broken, 'kek-1 tooshort\n', { mode: 0o600 });
  await assert.rejects(openKeyFile(broken), { message: /line 1 is not/ });
  await writeFile(broken, '# nothing\n');
  await assert.rejects(openKeyFile(broken), { message: /holds no key/ });
  await assert.rejects(openKeyFile(join(crypto.folder, 'absent')), { message: /ENOENT/ });
});

test(
  'a mounted secret is of root, and may be read by the group of the pod',
  { skip: process.getuid?.() === 0 ? false : 'only root gives files away' },
  async () => {
    await using crypto = await Harness.start();
    const path = join(crypto.folder, 'keys');
    await chown(path, 65_534, 0);
    await chmod(path, 0o440);
    await openKeyFile(path);
    await chmod(path, 0o444);
    await assert.rejects(openKeyFile(path), { message: /others may read it/ });
  },
);

test('a wrong key file stops the start, and says which keys are needed and which are there', async () => {
  await using crypto = await Harness.start();
  const path = join(crypto.folder, 'other-keys');
  await writeFile(path, `kek-other ${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  const [row] = await crypto.store.query('SELECT kek_id FROM sealing_keys');
  const needed = String(row?.['kek_id']);
  await assert.rejects(startWith(crypto, path), (error: Error) => {
    assert.match(error.message, new RegExp(`${path}.*needs the key ${needed}.*has kek-other.*Restore`));
    return true;
  });
  await writeFile(path, `${needed} ${randomBytes(32).toString('base64')}\n`);
  await assert.rejects(startWith(crypto, path), { message: /not the one that the data was wrapped under/ });
});

test('a key file that is gone is not replaced while the data needs it', async () => {
  await using crypto = await Harness.start();
  const path = join(crypto.folder, 'keys');
  await rm(path);
  await assert.rejects(openOrCreateKeyFile(path, crypto.store), {
    reason: 'notReady',
    message: /missing.*needs its key kek-/,
  });
});

test('a new key above the old one wraps from then on, and the old one still unwraps', async () => {
  await using crypto = await Harness.start();
  const path = join(crypto.folder, 'keys');
  const old = await readFile(path, 'utf8');
  await writeFile(path, `kek-new ${randomBytes(32).toString('base64')}\n${old}`);
  const keyEncryptionKeys = await openKeyFile(path);
  const dataKeys = new DataKeys({ store: crypto.store, keyEncryptionKeys, now: () => noon });
  await dataKeys.get('b-new', today, false);
  const rows = await crypto.store.query("SELECT kek_id FROM data_keys WHERE key_id LIKE 'b-new/%'");
  assert.equal(only(rows)['kek_id'], 'kek-new');
  const sealingKeys = new SealingKeys({ store: crypto.store, keyEncryptionKeys, now: () => noon });
  await sealingKeys.check();
});

test('a data key is made once, whoever asks at the same time', async () => {
  await using crypto = await Harness.start();
  const keyEncryptionKeys = await openKeyFile(join(crypto.folder, 'keys'));
  const replicas = Array.from(
    { length: 4 },
    () => new DataKeys({ store: crypto.store, keyEncryptionKeys, now: () => noon }),
  );
  const keys = await Promise.all(
    replicas.flatMap((replica) => [replica.get('b-9', today, false), replica.get('b-9', today, false)]),
  );
  assert.equal(new Set(keys.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size, 1);
  assert.deepEqual(new Set(keys.map(({ id }) => id)), new Set([`b-9/${today}`]));
});

test('a data key that is not there is not made for opening', async () => {
  await using crypto = await Harness.start();
  await assert.rejects(crypto.client.getDataKey({ business, day: today, existingOnly: true }), { reason: 'notFound' });
  await assert.rejects(crypto.client.getDataKey({ business: 'b/1', day: today }), { reason: 'parameterInvalid' });
  await assert.rejects(crypto.client.getDataKey({ business, day: today + 2 }), { reason: 'notFound' });
});

test('a data key is destroyed after 65 days, and its day never gets another one', async () => {
  await using crypto = await Harness.start();
  let nowMs = noon;
  const keyEncryptionKeys = await openKeyFile(join(crypto.folder, 'keys'));
  const dataKeys = new DataKeys({ store: crypto.store, keyEncryptionKeys, now: () => nowMs });
  await dataKeys.get(business, today, false);
  nowMs += 65 * dayMs;
  assert.equal(await dataKeys.destroyOld(), 0);
  await dataKeys.get(business, today, true);
  nowMs += dayMs;
  assert.equal(await dataKeys.destroyOld(), 1);
  await assert.rejects(dataKeys.get(business, today, false), { reason: 'notFound' });
});

test('a number keeps its identity, changes its prekeys each week and keeps them for 45 days', async () => {
  await using crypto = await Harness.start();
  let nowMs = noon;
  const keyEncryptionKeys = await openKeyFile(join(crypto.folder, 'keys'));
  const now = (): number => nowMs;
  const sealingKeys = new SealingKeys({ store: crypto.store, keyEncryptionKeys, now });
  const replicas = Array.from({ length: 3 }, () => new NumberKeys({ store: crypto.store, sealingKeys, now }));
  const [keys] = replicas;
  assert.ok(keys);
  const bundles = await Promise.all(replicas.map((replica) => replica.bundle(number)));
  assert.deepEqual(bundles[1], bundles[0]);
  assert.deepEqual(bundles[2], bundles[0]);
  nowMs += 7 * dayMs;
  const later = await keys.bundle(number);
  assert.deepEqual(later.identityKey, bundles[0]?.identityKey);
  assert.notDeepEqual(later.signedPreKey, bundles[0]?.signedPreKey);
  const id = bundles[0]?.signedPreKey?.id ?? 0;
  nowMs = noon + 45 * dayMs;
  assert.equal(await keys.destroyOldPreKeys(), 0);
  await keys.kyberPreKey(number, id);
  nowMs += dayMs;
  assert.equal(await keys.destroyOldPreKeys(), 2);
  await assert.rejects(keys.signedPreKey(number, id), /destroyed or never made/);
});

test('making a number again changes nothing, and another business cannot have it', async () => {
  await using crypto = await Harness.start();
  const [first, again] = [
    await crypto.client.createNumber({ business, number }),
    await crypto.client.createNumber({ business, number }),
  ];
  assert.deepEqual(again.identityKey, first.identityKey);
  await assert.rejects(crypto.client.createNumber({ business: 'b-2', number }), { reason: 'alreadyExists' });
  await assert.rejects(crypto.client.getNumberBundle({ number: '33700000000' }), { reason: 'notFound' });
  await assert.rejects(crypto.client.getNumberBundle({ number: '+33700000000' }), { reason: 'parameterInvalid' });
});

test('SECRET: no text and no open key lies in the database or in what the caller stores', async () => {
  await using crypto = await Harness.start();
  const device = new Device();
  const text = 'the text that nobody else may read';
  const first = await crypto.encrypt(device, undefined, [text], device.makeBundle());
  await device.read(only(first.results));
  const replied = await crypto.decrypt(device, first.session, [await device.reply('r-1', { text })]);
  await device.cipher.startSession(
    number,
    (await crypto.client.getNumberBundle({ number })).bundle ?? device.makeBundle(),
    noon,
  );

  const { key } = await crypto.client.getDataKey({ business, day: today });
  const keyEncryptionKeys = await openKeyFile(join(crypto.folder, 'keys'));
  const sealingKeys = new SealingKeys({ store: crypto.store, keyEncryptionKeys, now: () => noon });
  const numbers = new NumberKeys({ store: crypto.store, sealingKeys, now: () => noon });
  const identity = await numbers.identity(number);
  assert.ok(identity);
  const signed = await numbers.signedPreKey(number, Math.floor(noon / (7 * dayMs)));
  const secrets = [Buffer.from(text), key, identity.pair.privateKey.serialize(), signed.privateKey().serialize()];

  const stored = [first.session?.sealed, replied.session?.sealed, only(replied.results).sealedBody];
  const files = await readdir(crypto.folder);
  const database = files
    .filter((name) => name.startsWith('crypto.sqlite'))
    .map((name) => readFile(join(crypto.folder, name)));
  for (const bytes of [...stored, ...(await Promise.all(database))]) {
    assert.ok(bytes !== undefined && bytes.length > 0);
    for (const secret of secrets) assert.equal(Buffer.from(bytes).includes(secret), false);
  }
  const metrics = await crypto.telemetry.metrics.metrics();
  assert.match(metrics, /chappe_crypto_operations_total\{operation="encrypt",result="ok"\} 1/);
  assert.equal(metrics.includes(text) || metrics.includes(number), false);
});

async function startWith(crypto: Harness, path: string): Promise<void> {
  await using server = await startCrypto({
    address: '127.0.0.1:0',
    store: crypto.store,
    keyEncryptionKeys: await openKeyFile(path),
    telemetry: openTelemetry({ service: 'crypto', level: 'silent' }),
  });
  assert.fail(`started at ${server.address}`);
}

test('the age of a key-encryption key counts from the first key of a day that it wrapped, and older ones are still needed', async () => {
  await using crypto = await Harness.start();
  const path = join(crypto.folder, 'keys');
  const keys = await openKeyFile(path);
  const nextDays = noon + 3 * dayMs;
  await crypto.client.getDataKey({ business, day: today, existingOnly: false });
  const before = await readKeyAges(crypto.store, keys, nextDays);
  assert.equal(before.keyEncryptionKeyMs, 3.5 * dayMs);
  assert.equal(before.wrappedByOlder, 0);
  assert.equal(before.oldestDataKeyMs, 2.5 * dayMs);
  const rotated = { ...keys, id: 'kek-new' };
  const after = await readKeyAges(crypto.store, rotated, nextDays);
  assert.equal(after.keyEncryptionKeyMs, 0);
  assert.ok(after.wrappedByOlder > 0);
});
