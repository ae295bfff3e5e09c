/** Prekeys: given to one claim only, the same to the same claim, refilled, replaced. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { purge } from '../src/purger.ts';
import { contact, makeKeys, makePreKeys, makeSignedKeys, refusedWith, startHarness } from './harness.ts';

const claimOf = (claimId: string, device = 1): { claimId: string; contact: string; device: number } => ({
  claimId,
  contact,
  device,
});

test('the same claim gets the same bundle for ten minutes, also after the keys were replaced', async () => {
  await using harness = await startHarness();
  const keys = makeKeys();
  const { credential } = await harness.register(keys);
  const [before] = (await harness.preKeys.claim({ claims: [claimOf('a')] })).results;
  assert.equal(before?.bundle?.device, 1);
  assert.equal(before.bundle.preKey?.id, 1);
  assert.equal(before.bundle.registrationId, keys.registrationId);

  await harness.device(credential).uploadPreKeys(makeSignedKeys(keys.identity, 2));
  harness.clock.nowMs += 10 * 60_000;
  await purge(harness.store, harness.clock.nowMs);
  const [again, other] = (await harness.preKeys.claim({ claims: [claimOf('a'), claimOf('b')] })).results;
  assert.deepEqual(again, before);
  assert.equal(other?.bundle?.signedPreKey?.id, 2);
  assert.equal(other.bundle.preKey?.id, 2);

  harness.clock.nowMs += 1;
  await purge(harness.store, harness.clock.nowMs);
  const [anew] = (await harness.preKeys.claim({ claims: [claimOf('a')] })).results;
  assert.equal(anew?.bundle?.preKey?.id, 3);
});

test('when the one-time keys are used up the last-resort key serves alone', async () => {
  await using harness = await startHarness();
  await harness.register(makeKeys(1));
  const { results } = await harness.preKeys.claim({ claims: [claimOf('a'), claimOf('b'), claimOf('a')] });
  assert.deepEqual(
    results.map(({ bundle }) => bundle?.preKey?.id),
    [1, undefined, 1],
  );
  assert.ok(results.every(({ bundle }) => bundle?.kyberPreKey !== undefined));
});

test('an unknown device, and a claim id of another device, get nothing', async () => {
  await using harness = await startHarness();
  await harness.register();
  const { results } = await harness.preKeys.claim({ claims: [claimOf('a'), claimOf('b', 7), claimOf('a', 2)] });
  assert.deepEqual(
    results.map(({ bundle }) => bundle?.device),
    [1, undefined, undefined],
  );
});

test('ten thousand claims at once never get a key twice', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register(makeKeys(200));
  await harness.device(credential).uploadPreKeys({ preKeys: makePreKeys(201, 200) });
  // 20 calls of 500; every id is claimed in two of them, half of all.
  const calls = Array.from({ length: 20 }, (_, call) =>
    Array.from({ length: 500 }, (__, index) => claimOf(`claim-${(call * 250 + index) % 5_000}`)),
  );
  const answers = await Promise.all(calls.map((claims) => harness.preKeys.claim({ claims })));
  const keyOfClaim = new Map<string, number | undefined>();
  for (const [call, { results }] of answers.entries()) {
    for (const [index, { bundle }] of results.entries()) {
      const id = calls[call]?.[index]?.claimId ?? '';
      assert.ok(bundle);
      if (keyOfClaim.has(id)) assert.equal(keyOfClaim.get(id), bundle.preKey?.id);
      keyOfClaim.set(id, bundle.preKey?.id);
    }
  }
  const given = [...keyOfClaim.values()].filter((id) => id !== undefined);
  assert.equal(keyOfClaim.size, 5_000);
  assert.equal(given.length, 400);
  assert.equal(new Set(given).size, 400);
});

test('an upload that is repeated does not bring used keys back', async () => {
  await using harness = await startHarness();
  const { credential } = await harness.register(makeKeys(0));
  const device = harness.device(credential);
  const preKeys = makePreKeys(1, 2);
  assert.equal((await device.uploadPreKeys({ preKeys })).preKeyCount, 2);
  await harness.preKeys.claim({ claims: [claimOf('a')] });
  assert.equal((await device.uploadPreKeys({ preKeys })).preKeyCount, 1);
  const { results } = await harness.preKeys.claim({ claims: [claimOf('b'), claimOf('c')] });
  assert.deepEqual(
    results.map(({ bundle }) => bundle?.preKey?.id),
    [2, undefined],
  );
});

test('more keys than are kept, and keys of another identity, are refused', async () => {
  await using harness = await startHarness();
  const keys = makeKeys(200);
  const { credential } = await harness.register(keys);
  const device = harness.device(credential);
  await device.uploadPreKeys({ preKeys: makePreKeys(201, 200) });
  await assert.rejects(device.uploadPreKeys({ preKeys: makePreKeys(401, 1) }), refusedWith('invalidRequest'));
  await assert.rejects(device.uploadPreKeys({ preKeys: makePreKeys(1, 201) }), refusedWith('parameterInvalid'));
  await assert.rejects(
    device.uploadPreKeys(makeSignedKeys(makeKeys(0).identity, 2)),
    refusedWith('parameterInvalid', /signature/),
  );
  await assert.rejects(
    harness.preKeys.claim({ claims: Array.from({ length: 501 }, (_, index) => claimOf(String(index))) }),
    refusedWith('invalidRequest'),
  );
});
