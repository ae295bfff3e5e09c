import assert from 'node:assert/strict';
import test from 'node:test';
import { create } from '@bufbuild/protobuf';
import { findOrMakeIdentity, type Account } from '@chappe/handset/account';
import { memoryState, recordKinds, type HandsetState } from '@chappe/handset/handset-state';
import { MessageCipher } from '@chappe/handset/message-cipher';
import { makePreKeys, makeSignedPreKeys } from '@chappe/handset/prekeys';
import { CiphertextType } from '@chappe/proto/device/device_service';
import { PreKeyBundleSchema, type PreKeyBundle } from '@chappe/proto/device/keys';
import { messageKeyOf } from './message-keys.ts';

const nowMs = Date.UTC(2026, 5, 1);
const peer = '33123456789';

function accountOf(state: HandsetState, number: string): Account {
  return { ...findOrMakeIdentity(state), number, device: 1, credential: '' };
}

/** Of somebody whom sessions can be started with. */
function bundleOf(number: string): PreKeyBundle {
  const state = memoryState();
  const { pair, registrationId, device } = accountOf(state, number);
  const [preKey] = makePreKeys(state, 1);
  const identityKey = pair.publicKey.serialize();
  const { signedPreKey, lastResortKyberPreKey: kyberPreKey } = makeSignedPreKeys(state, pair, nowMs);
  const bundle = { registrationId, device, identityKey, signedPreKey, kyberPreKey };
  return create(PreKeyBundleSchema, preKey === undefined ? bundle : { ...bundle, preKey });
}

async function started(): Promise<{ readonly state: HandsetState; readonly cipher: MessageCipher }> {
  const state = memoryState();
  const cipher = new MessageCipher(state, accountOf(state, '33612345678'));
  await cipher.startSession(peer, bundleOf(peer), nowMs);
  cipher.flush();
  return { state, cipher };
}

function copyOf(state: HandsetState): HandsetState {
  const copy = memoryState();
  for (const kind of recordKinds) {
    for (const key of state.keys(kind)) copy.put(kind, key, Uint8Array.from(state.get(kind, key) ?? []));
  }
  return copy;
}

async function keyOf(cipher: MessageCipher, text: string): Promise<string> {
  const { ciphertext, type } = await cipher.encrypt(peer, new TextEncoder().encode(text), nowMs);
  return messageKeyOf(ciphertext, type === CiphertextType.PRE_KEY);
}

test('every message of a session has a message key of its own', async () => {
  const { cipher } = await started();
  const names = [await keyOf(cipher, 'a'), await keyOf(cipher, 'a'), await keyOf(cipher, 'b')];
  assert.equal(new Set(names).size, 3);
  assert.notEqual(await keyOf((await started()).cipher, 'a'), names[0]);
});

test('a session that goes on from an older state uses a message key twice, and both have one name', async () => {
  const { state, cipher } = await started();
  const older = new MessageCipher(copyOf(state), accountOf(state, '33612345678'));
  assert.equal(await keyOf(cipher, 'yes'), await keyOf(older, 'no, not at all'));
});

test('what is no message is refused', () => {
  assert.throws(() => messageKeyOf(new Uint8Array(40), false));
});
