/** A number may come to belong to a new person: each business's policy decides what they see. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { getJson, memoryState, putJson, type HandsetState } from '@chappe/handset/handset-state';
import { IdentityPolicy } from '@chappe/proto/v1/business_service';
import { MessageState, OptInState } from '@chappe/proto/v1/event';
import {
  allEnded,
  copyOf,
  eventsUntil,
  freeText,
  makeBusiness,
  makeNote,
  note,
  optIn,
  reached,
  startPhone,
  startTestNode,
  type TestNode,
} from './test-node.ts';

describe('a new identity behind a number', () => {
  let node: TestNode;
  let made = 0;
  before(async () => {
    node = await startTestNode();
  });
  after(() => node[Symbol.asyncDispose]());

  /** A business that has written to somebody, who is offline with two messages waiting. */
  async function waiting(
    identityPolicy: IdentityPolicy,
  ): Promise<{ client: ChappeClient; person: string; ids: string[]; state: HandsetState }> {
    made += 1;
    const [number, person] = [`+3312345671${made}`, `+3361234571${made}`];
    const { client } = await makeBusiness(node, `Business ${made}`, number, { identityPolicy });
    await makeNote(client);
    await optIn(client, person);
    const state = memoryState();
    {
      await using phone = await startPhone(node, person, { state });
      await reached(client, (await client.send(note(person, 'shown to the first person'))).messageId);
      await phone.handset.reply(number, 'thank you');
      await eventsUntil(client, ({ kind }) => kind.case === 'received');
    }
    const ids = [];
    for (const text of ['waits 1', 'waits 2']) ids.push((await client.send(note(person, text))).messageId);
    for (const id of ids) await reached(client, id, MessageState.SENT);
    return { client, person, ids, state };
  }

  async function identityEvent(client: ChappeClient): Promise<{ hash: string; policy: string }> {
    const event = (await eventsUntil(client, ({ kind }) => kind.case === 'identity')).at(-1);
    if (event?.kind.case !== 'identity') throw new Error('the events ended');
    return { hash: event.kind.value.identityHash, policy: event.kind.value.policy };
  }

  test('is told to the business; by default what waits is held until it is acknowledged, and so is what comes later', async () => {
    const { client, person, ids } = await waiting(IdentityPolicy.HOLD);
    await using successor = await startPhone(node, person);
    const { hash, policy } = await identityEvent(client);
    assert.equal(policy, 'hold');
    assert.match(hash, /^[0-9a-f]{64}$/u);
    const later = await client.send(note(person, 'later'));
    await reached(client, later.messageId, MessageState.ACCEPTED);
    const known = await client.contacts.get({ contact: person });
    assert.equal(known.identityHeld, true);
    assert.equal(known.optIn, OptInState.UNCONFIRMED);
    assert.deepEqual(known.windows, []);
    assert.equal(successor.shown.length, 0);

    await client.contacts.acknowledgeIdentity({ contact: person });
    await allEnded(client, [...ids, later.messageId]);
    assert.deepEqual(
      successor.shown.map(({ messageId }) => messageId),
      [...ids, later.messageId],
    );
    assert.equal((await client.contacts.get({ contact: person })).optIn, OptInState.OPTED_IN);
  });

  test('gets what waited, where the business chose to resend', async () => {
    const { client, person, ids } = await waiting(IdentityPolicy.RESEND);
    await using successor = await startPhone(node, person);
    assert.equal((await identityEvent(client)).policy, 'resend');
    await allEnded(client, ids);
    assert.deepEqual(
      successor.shown.map(({ messageId }) => messageId),
      ids,
    );
  });

  test('gets nothing of what waited, where the business chose to fail it: 480', async () => {
    const { client, person, ids } = await waiting(IdentityPolicy.FAIL);
    await using successor = await startPhone(node, person);
    assert.equal((await identityEvent(client)).policy, 'fail');
    for (const id of ids) assert.equal((await reached(client, id)).code, 480);
    const refused = await client.send(note(person, 'before it is acknowledged'));
    assert.equal((await reached(client, refused.messageId)).code, 480);
    await client.contacts.acknowledgeIdentity({ contact: person });
    const sent = await client.send(note(person, 'for whoever it is now'));
    await reached(client, sent.messageId);
    assert.deepEqual(
      successor.shown.map(({ messageId }) => messageId),
      [sent.messageId],
    );
  });

  test('does not inherit the window, and the former phone hears nothing any more', async () => {
    const { client, person, ids } = await waiting(IdentityPolicy.HOLD);
    await using successor = await startPhone(node, person);
    await identityEvent(client);
    await client.contacts.acknowledgeIdentity({ contact: person });
    await allEnded(client, ids);
    const text = await client.send(freeText(person, 'as we said yesterday'));
    assert.equal((await reached(client, text.messageId)).code, 470);
    assert.equal(successor.shown.length, 2);
  });

  test('is none when the same phone registers again: what waits is shown, the window stays', async () => {
    const { client, person, ids, state } = await waiting(IdentityPolicy.FAIL);
    const again = copyOf(state);
    forgetAccount(again);
    await using phone = await startPhone(node, person, { state: again });
    await allEnded(client, ids);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => messageId),
      ids,
    );
    const known = await client.contacts.get({ contact: person });
    assert.equal(known.identityHeld, false);
    assert.equal(known.optIn, OptInState.OPTED_IN);
    assert.equal(known.windows.length, 1);
  });
});

/** As after an installation that kept its identity key only. */
function forgetAccount(state: HandsetState): void {
  const { registrationId, pair } = getJson(state, 'account', 'account') as { registrationId: number; pair: string };
  putJson(state, 'account', 'account', { registrationId, pair });
  for (const kind of ['mailbox', 'session'] as const) for (const key of state.keys(kind)) state.delete(kind, key);
}
