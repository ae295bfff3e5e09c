/**
 * TENANT: whatever one business asks about what belongs to another is answered as if it did not
 * exist: the same code, title and detail as for something that nobody has.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { Category } from '@chappe/proto/v1/template_service';
import {
  allEnded,
  allEvents,
  freeText,
  ledgerOf,
  makeBusiness,
  makeNote,
  note,
  optIn,
  refusalOf,
  startPhone,
  startTestNode,
  type TestNode,
  type TestPhone,
} from '../test-node.ts';

const person = '+33612345678';
const ownNumber = '+33123456789';
const otherNumber = '+33123456780';
const nobodysNumber = '+33123456781';

describe('TENANT', () => {
  let node: TestNode;
  let phone: TestPhone;
  /** Has traffic; the other one asks about it. */
  let owner: Awaited<ReturnType<typeof makeBusiness>>;
  let other: Awaited<ReturnType<typeof makeBusiness>>;
  const messageIds: string[] = [];
  let cursor = '';

  before(async () => {
    node = await startTestNode();
    owner = await makeBusiness(node, 'Air Semaphore', ownNumber);
    other = await makeBusiness(node, 'Parcel Post', otherNumber);
    await makeNote(owner.client);
    await owner.client.templates.create({
      template: { name: 'secret_offer', language: 'fr', category: Category.MARKETING, body: 'Offre' },
    });
    await optIn(owner.client, person);
    phone = await startPhone(node, person);
    for (let index = 0; index < 20; index += 1) {
      messageIds.push((await owner.client.send(note(person, `${index}`, `key-${index}`))).messageId);
    }
    await allEnded(owner.client, messageIds);
    await phone.handset.reply(ownNumber, 'merci');
    for await (const event of owner.client.subscribe()) {
      cursor = event.cursor;
      if (event.kind.case === 'received') break;
    }
    await ledgerOf(owner.client, 20);
  });

  after(async () => {
    await phone[Symbol.asyncDispose]();
    await node[Symbol.asyncDispose]();
  });

  /** Both calls are refused, and alike but for the name that was asked for. */
  async function refusedAlike(
    call: (name: string) => Promise<unknown>,
    theirs: string,
    nobodys: string,
  ): Promise<void> {
    const [first, second] = [await refusalOf(call(theirs)), await refusalOf(call(nobodys))];
    assert.deepEqual({ ...first, detail: first.detail.replaceAll(theirs, nobodys) }, second);
  }

  const unknownId = (): string => (messageIds[0] ?? '').replace(/.{12}$/u, '0123456789ab');

  test("TENANT: another business's message ids are as unknown as any", async () => {
    const { messages } = other.client;
    for (const id of [messageIds[0] ?? '', messageIds.at(-1) ?? '']) {
      await refusedAlike((name) => messages.get(name), id, unknownId());
      await refusedAlike((name) => messages.cancel(name), id, unknownId());
    }
    await refusedAlike((name) => messages.get(name), messageIds[0] ?? '', 'no-id-at-all');
  });

  test("TENANT: another business's cursor is as wrong as garbage", async () => {
    const read = (from: string): Promise<unknown> =>
      Array.fromAsync(other.client.subscribe({ cursor: from, untilNow: true }));
    await refusedAlike(read, cursor, Buffer.alloc(18, 7).toString('base64url'));
  });

  test("TENANT: another business's templates and numbers cannot be used, listed or deleted", async () => {
    const use = (name: string): Promise<unknown> =>
      other.client.send({ to: person, content: { case: 'template', value: { name, language: 'fr' } } });
    await refusedAlike(use, 'secret_offer', 'secret_other');
    const from = (number: string): Promise<unknown> =>
      other.client.send({ ...freeText(person, 'hello'), from: number });
    await refusedAlike(from, ownNumber, nobodysNumber);
    const quote = (number: string): Promise<unknown> => other.client.billing.quote({ to: person, from: number });
    await refusedAlike(quote, ownNumber, nobodysNumber);
    assert.deepEqual((await other.client.templates.list({})).templates, []);
    assert.deepEqual((await other.client.templates.list({ name: 'secret_offer' })).templates, []);
    await other.client.templates.delete({ name: 'secret_offer', language: 'fr' });
    assert.equal((await owner.client.templates.list({ name: 'secret_offer' })).templates.length, 1);
  });

  test("TENANT: a business's keys open nothing of another, and nothing of the operator's", async () => {
    const { admin } = node;
    const { keys } = await admin.businesses.listKeys({ businessId: owner.id });
    const revoke = (keyId: string): Promise<unknown> => admin.businesses.revokeKey({ businessId: other.id, keyId });
    await refusedAlike(revoke, keys[0]?.id ?? '', 'no-such-key');
    await owner.client.messages.get(messageIds[0] ?? '');
  });

  test('TENANT: a person is to each business what that business knows of them', async () => {
    const known = await owner.client.contacts.get({ contact: person });
    assert.equal(known.windows.length, 1);
    assert.ok(known.reachable);
    // Nor whether the number is anybody's: only who may write to it learns that.
    const [asked, unknown] = [
      await other.client.contacts.get({ contact: person }),
      await other.client.contacts.get({ contact: '+33612345000' }),
    ];
    assert.deepEqual({ ...asked, contact: '' }, { ...unknown, contact: '' });
    await makeNote(other.client);
    const { messageId } = await other.client.send(note(person, 'no opt-in for this one'));
    await allEnded(other.client, [messageId]);
    assert.equal((await other.client.messages.get(messageId)).error?.code, 3001);
  });

  test('TENANT: events, cursors, numbers and the ledger show and count nothing of others', async () => {
    await optIn(other.client, person);
    const earlier = await allEvents(other.client);
    const { messageId } = await other.client.send(note(person, 'hello', 'key-0'));
    assert.ok(!messageIds.includes(messageId), 'the same key of another business is another key');
    const more = [await owner.client.send(note(person, 'more of the other one'))];
    await allEnded(other.client, [messageId]);
    await allEnded(
      owner.client,
      more.map((sent) => sent.messageId),
    );

    const events = await allEvents(other.client);
    const ids = events.flatMap(({ kind }) => (kind.case === 'state' ? [kind.value.messageId] : []));
    assert.ok(!ids.some((id) => messageIds.includes(id)));
    assert.ok(events.every(({ number }) => number === '' || number === otherNumber));
    assert.deepEqual(
      events.map((event) => placeIn(event.cursor)),
      events.map((_, index) => index + 1),
    );
    assert.ok(earlier.length < events.length);
    assert.deepEqual(await ledgerPlaces(other.client), [[1n, messageId]]);
  });

  test('TENANT: a reply and a block reach the business that they are for, and no other', async () => {
    const known = (await allEvents(other.client)).length;
    await phone.handset.reply(ownNumber, 'for one alone');
    await phone.handset.block(ownNumber, true);
    for await (const { kind } of owner.client.subscribe()) if (kind.case === 'block') break;
    assert.equal((await allEvents(other.client)).length, known);
    const { messageId } = await other.client.send(note(person, 'not blocked'));
    await allEnded(other.client, [messageId]);
    assert.equal((await other.client.messages.get(messageId)).error, undefined);
  });
});

/** A cursor's first six bytes are the place in the business's own events. */
function placeIn(cursor: string): number {
  return Buffer.from(cursor, 'base64url').readUIntBE(0, 6);
}

async function ledgerPlaces(client: ChappeClient): Promise<[bigint, string][]> {
  return (await ledgerOf(client, 1)).map(({ no, messageId }) => [no, messageId]);
}
