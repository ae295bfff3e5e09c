/** Both kinds of state behave alike; the file survives, and belongs to one process. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findAccount, findOrMakeIdentity, putAccount } from '../src/account.ts';
import { reconnectAfterMs } from '../src/backoff.ts';
import { openHandsetFile } from '../src/handset-file.ts';
import { keepNewest, memoryState, putKey, type HandsetState } from '../src/handset-state.ts';
import { makePreKeys, makeSignedPreKeys, needsSignedPreKeys } from '../src/prekeys.ts';

const day = 24 * 60 * 60 * 1000;

test('what was committed is there after a restart, in the order of the first put; the rest is not', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'phone', 'handset.sqlite');
  {
    using state = openHandsetFile(path);
    for (const id of ['c', 'a', 'b', 'gone']) putKey(state, 'seen', id);
    state.commit();
    state.put('seen', 'c', new Uint8Array([1]));
    state.delete('seen', 'gone');
    state.delete('seen', 'a');
    putKey(state, 'seen', 'a');
    state.commit();
    putKey(state, 'seen', 'lost');
  }
  using state = openHandsetFile(path);
  assert.deepEqual([...state.keys('seen')], ['c', 'b', 'a']);
  assert.deepEqual(state.get('seen', 'c'), new Uint8Array([1]));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

test('a file that is open is refused to a second opener', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'handset.sqlite');
  using state = openHandsetFile(path);
  state.commit();
  assert.throws(() => openHandsetFile(path), { reason: 'storeUnavailable', message: /another process/ });
});

test('the newest records are kept', () => {
  const state = memoryState();
  for (let index = 0; index < 10; index += 1) putKey(state, 'seen', String(index));
  keepNewest(state, 'seen', 3);
  assert.deepEqual([...state.keys('seen')], ['7', '8', '9']);
});

test('an identity is made once, and an account survives', async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, 'handset.sqlite');
  let key: Uint8Array;
  {
    using state = openHandsetFile(path);
    const identity = findOrMakeIdentity(state);
    assert.equal(findAccount(state), undefined);
    putAccount(state, { ...identity, number: '33612345678', device: 2, credential: 'c' });
    key = identity.pair.publicKey.serialize();
    state.commit();
  }
  using state = openHandsetFile(path);
  assert.deepEqual(findOrMakeIdentity(state).pair.publicKey.serialize(), key);
  const account = findAccount(state);
  assert.deepEqual([account?.number, account?.device, account?.credential], ['33612345678', 2, 'c']);
});

test('one-time prekeys never get the id of another one, used ones included', () => {
  const state: HandsetState = memoryState();
  const first = makePreKeys(state, 3).map(({ id }) => id);
  for (const id of first) state.delete('preKey', String(id));
  assert.deepEqual(
    [first, makePreKeys(state, 2).map(({ id }) => id)],
    [
      [1, 2, 3],
      [4, 5],
    ],
  );
  for (let batch = 0; batch < 6; batch += 1) makePreKeys(state, 200);
  assert.equal(state.count('preKey'), 1_000);
});

test('signed prekeys change each week and are kept for 45 days', () => {
  const state = memoryState();
  const { pair } = findOrMakeIdentity(state);
  assert.equal(needsSignedPreKeys(state, 0), true);
  makeSignedPreKeys(state, pair, day);
  assert.equal(needsSignedPreKeys(state, 7 * day), false);
  assert.equal(needsSignedPreKeys(state, 8 * day), true);
  makeSignedPreKeys(state, pair, 8 * day);
  makeSignedPreKeys(state, pair, 47 * day);
  assert.deepEqual([...state.keys('signedPreKey')], ['2', '3']);
  assert.deepEqual([...state.keys('kyberPreKey')], ['2', '3']);
});

test('pauses between attempts double up to half a minute, and differ', () => {
  const fullPauses = [1, 2, 3, 4, 9, 10, 1_000].map((failures) => reconnectAfterMs(failures, 1));
  assert.deepEqual(fullPauses, [100, 200, 400, 800, 25_600, 30_000, 30_000]);
  assert.equal(reconnectAfterMs(1, 0), 50);
});

async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'chappe-handset-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) };
}
