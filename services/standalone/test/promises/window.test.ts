import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { AfterWindow } from '@chappe/proto/v1/business_service';
import { MessageState } from '@chappe/proto/v1/event';
import {
  freeText,
  ledgerOf,
  makeBusiness,
  makeNote,
  note,
  optIn,
  reached,
  startPhone,
  startTestNode,
  type TestNode,
  type TestPhone,
} from '../test-node.ts';

const dayMs = 24 * 3_600_000;
const charging = '+33123456789';
const templateOnly = '+33123456780';

/** Stands still until the test moves it. */
const clock = { ms: Date.now() };
const now = (): number => clock.ms;

describe('WINDOW', () => {
  let node: TestNode;
  let nextPerson = 0;
  before(async () => {
    node = await startTestNode(undefined, { now });
  });
  after(() => node[Symbol.asyncDispose]());

  async function person(): Promise<TestPhone & { number: string }> {
    nextPerson += 1;
    const number = `+3361234560${nextPerson}`;
    return { number, ...(await startPhone(node, number, { now })) };
  }

  /** The time of the person's message as the log has it. */
  async function replyOf(phone: TestPhone, client: ChappeClient, number: string, text: string): Promise<number> {
    await phone.handset.reply(number, text);
    for await (const { kind, time } of client.subscribe()) {
      if (kind.case === 'received' && kind.value.text === text)
        return Number(time?.seconds) * 1_000 + (time?.nanos ?? 0) / 1e6;
    }
    throw new Error('the events ended');
  }

  /** What was decided when the message was accepted. */
  async function pricingOf(client: ChappeClient, messageId: string): Promise<{ windowOpen: boolean; micros: bigint }> {
    const { event } = await reached(client, messageId, MessageState.ACCEPTED);
    const pricing = event.kind.case === 'state' ? event.kind.value.pricing : undefined;
    return { windowOpen: pricing?.windowOpen ?? false, micros: pricing?.price?.micros ?? -1n };
  }

  test('WINDOW: a reply is free up to 24 hours after the person wrote, and charged from that moment on, and the ledger says the same', async () => {
    const { client } = await makeBusiness(node, 'Air Semaphore', charging);
    await using phone = await person();
    const { number } = phone;
    const wroteAt = await replyOf(phone, client, charging, 'a question');
    assert.equal(wroteAt, clock.ms);
    await optIn(client, number);

    clock.ms = wroteAt + dayMs - 1;
    const free = await client.send(freeText(number, 'in time'));
    await reached(client, free.messageId);
    clock.ms = wroteAt + dayMs;
    const quote = await client.billing.quote({ to: number });
    const charged = await client.send(freeText(number, 'too late'));
    await reached(client, charged.messageId);

    assert.deepEqual(await pricingOf(client, free.messageId), { windowOpen: true, micros: 0n });
    const decided = await pricingOf(client, charged.messageId);
    assert.equal(decided.windowOpen, false);
    assert.ok(decided.micros > 0n);
    assert.equal(quote.price?.micros, decided.micros);
    // Long after, nothing is decided again.
    clock.ms += 3 * dayMs;
    await node.restart();
    const entries = await ledgerOf(client, 2);
    assert.deepEqual(
      entries.map(({ messageId, windowOpen, amount }) => [messageId, windowOpen, amount?.micros]),
      [
        [free.messageId, true, 0n],
        [charged.messageId, false, decided.micros],
      ],
    );
    assert.deepEqual(await pricingOf(client, free.messageId), { windowOpen: true, micros: 0n });
  });

  test('WINDOW: where only templates may follow, a reply after 24 hours is refused with 470 and not charged', async () => {
    const settings = { afterWindow: AfterWindow.TEMPLATE_ONLY };
    const { client } = await makeBusiness(node, 'Parcel Post', templateOnly, settings);
    await makeNote(client);
    await using phone = await person();
    const { number } = phone;
    const wroteAt = await replyOf(phone, client, templateOnly, 'a question');
    await optIn(client, number);
    clock.ms = wroteAt + dayMs - 1;
    const free = await client.send(freeText(number, 'in time'));
    assert.equal((await reached(client, free.messageId)).state, MessageState.DELIVERED);
    clock.ms = wroteAt + dayMs;
    const late = await client.send(freeText(number, 'too late'));
    assert.deepEqual((await reached(client, late.messageId)).code, 470);
    const template = await client.send(note(number, 'by template'));
    assert.equal((await reached(client, template.messageId)).state, MessageState.DELIVERED);
    assert.deepEqual(
      (await ledgerOf(client, 2)).map(({ messageId }) => messageId),
      [free.messageId, template.messageId],
    );
  });

  test('WINDOW: only a message of the person opens it: no message shown, no receipt and no session acknowledgement does', async () => {
    const { client } = await makeBusiness(node, 'Museum', '+33123456781');
    await makeNote(client);
    await using phone = await person();
    const { number } = phone;
    await optIn(client, number);
    const { messageId } = await client.send(note(number, 'hello'));
    await phone.showed(1);
    await phone.handset.read([messageId]);
    await reached(client, messageId, MessageState.READ);
    // A second message is no prekey message any more: the session acknowledgement has come in.
    await reached(client, (await client.send(note(number, 'again'))).messageId);
    assert.deepEqual((await client.contacts.get({ contact: number })).windows, []);
    const text = await client.send(freeText(number, 'free text'));
    assert.equal((await reached(client, text.messageId)).code, 470);

    await replyOf(phone, client, '+33123456781', 'now');
    assert.equal((await client.contacts.get({ contact: number })).windows.length, 1);
    const answer = await client.send(freeText(number, 'free text'));
    assert.deepEqual(await pricingOf(client, answer.messageId), { windowOpen: true, micros: 0n });
  });

  test('WINDOW: each message of the person begins it anew', async () => {
    const { client } = await makeBusiness(node, 'Dentist', '+33123456782');
    await using phone = await person();
    const { number } = phone;
    await optIn(client, number);
    const first = await replyOf(phone, client, '+33123456782', 'one');
    clock.ms = first + dayMs - 1;
    const second = await replyOf(phone, client, '+33123456782', 'two');
    clock.ms = second + dayMs - 1;
    const { messageId } = await client.send(freeText(number, 'still in time'));
    assert.deepEqual(await pricingOf(client, messageId), { windowOpen: true, micros: 0n });
  });
});
