/** What a person decides, and what time and policy decide for them, on a whole node. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { ChappeClient } from '@chappe/client/chappe-client';
import { MessageState, OptInState } from '@chappe/proto/v1/event';
import { Category } from '@chappe/proto/v1/template_service';
import {
  allEnded,
  allEvents,
  eventsUntil,
  ledgerOf,
  makeBusiness,
  makeNote,
  note,
  openPhone,
  optIn,
  reached,
  startPhone,
  startTestNode,
  statesOf,
  type TestNode,
} from './test-node.ts';

const clock = { ms: Date.now() };
const now = (): number => clock.ms;
const minuteMs = 60_000;

describe('a person', () => {
  let node: TestNode;
  let made = 0;
  before(async () => {
    node = await startTestNode(undefined, { now, tickIntervalMs: 50 });
  });
  after(() => node[Symbol.asyncDispose]());

  async function business(settings = {}): Promise<{ client: ChappeClient; number: string }> {
    made += 1;
    const number = `+331234567${String(made).padStart(2, '0')}`;
    const { client } = await makeBusiness(node, `Business ${made}`, number, settings);
    await makeNote(client);
    return { client, number };
  }

  const newPerson = (): string => `+33612345${String(made).padStart(3, '0')}`;

  test('who blocks a business gets nothing of it any more, and what waited fails with 1026; unblocking ends it', async () => {
    const [blocked, other] = [await business(), await business()];
    const person = newPerson();
    await optIn(blocked.client, person);
    await optIn(other.client, person);
    await using phone = await startPhone(node, person, { now });
    const first = await blocked.client.send(note(person, 'before'));
    await reached(blocked.client, first.messageId);
    await phone.handset.block(blocked.number, true);
    const events = await eventsUntil(blocked.client, ({ kind }) => kind.case === 'block');
    assert.equal(events.at(-1)?.kind.case, 'block');

    const refused = await blocked.client.send(note(person, 'after'));
    assert.equal((await reached(blocked.client, refused.messageId)).code, 1026);
    const theirs = await other.client.send(note(person, 'from another business'));
    await reached(other.client, theirs.messageId);
    await phone.handset.block(blocked.number, false);
    await eventsUntil(blocked.client, ({ kind }) => kind.case === 'block' && !kind.value.blocked);
    const last = await blocked.client.send(note(person, 'again'));
    await reached(blocked.client, last.messageId);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => messageId),
      [first.messageId, theirs.messageId, last.messageId],
    );
  });

  test('what waits when a person blocks is not shown on their other device', async () => {
    const { client, number } = await business();
    const person = newPerson();
    await optIn(client, person);
    await using phone = await startPhone(node, person, { now });
    const linkCode = await phone.handset.createLinkCode();
    const { state } = await startPhone(node, person, { linkCode, connect: false, now });
    const { messageId } = await client.send(note(person, 'shown on the first'));
    await reached(client, messageId);
    await phone.handset.block(number, true);
    await eventsUntil(client, ({ kind }) => kind.case === 'block');
    const refused = await client.send(note(person, 'shown nowhere'));
    assert.equal((await reached(client, refused.messageId)).code, 1026);
    await using second = openPhone(node, state, { now });
    await phone.handset.block(number, false);
    await eventsUntil(client, ({ kind }) => kind.case === 'block' && !kind.value.blocked);
    const last = await client.send(note(person, 'for both'));
    await second.showed(2);
    assert.deepEqual(
      second.shown.map((shown) => shown.messageId),
      [messageId, last.messageId],
    );
  });

  test('STOP takes effect at once, for queued messages too, and only a new opt-in ends it', async () => {
    const { client, number } = await business();
    const person = newPerson();
    await optIn(client, person);
    const phone = await startPhone(node, person, { now });
    const first = await client.send(note(person, 'shown'));
    await reached(client, first.messageId);
    const linkCode = await phone.handset.createLinkCode();
    await phone[Symbol.asyncDispose]();
    // The first device is away; a second one, which was never there, lets messages wait.
    await using second = await startPhone(node, person, { linkCode, now, connect: false });
    const queued = [await client.send(note(person, 'queued 1')), await client.send(note(person, 'queued 2'))];
    for (const { messageId } of queued) await reached(client, messageId, MessageState.SENT);
    await second.handset.reply(number, 'STOP');
    void second.handset.connect();
    const optedOut = (
      await eventsUntil(client, ({ kind }) => kind.case === 'optIn' && kind.value.cause === 'stop_word')
    ).at(-1);
    assert.equal(optedOut?.kind.case === 'optIn' && optedOut.kind.value.state, OptInState.OPTED_OUT);
    const late = await client.send(note(person, 'after'));
    assert.equal((await reached(client, late.messageId)).code, 131_050);

    await optIn(client, person);
    const again = await client.send(note(person, 'again'));
    assert.equal((await reached(client, again.messageId)).state, MessageState.DELIVERED);
    for (const { messageId } of queued) {
      const { state, code } = await reached(client, messageId);
      const wasShown = second.shown.some((shown) => shown.messageId === messageId);
      // Handed over before the word was in the log, or failed: never both and never neither.
      assert.equal(wasShown, state === MessageState.DELIVERED);
      if (!wasShown) assert.equal(code, 131_050);
    }
  });

  test('a message that no device has is failed by an opt-out while it waits', async () => {
    const { client } = await business();
    const person = newPerson();
    await optIn(client, person);
    const { state } = await startPhone(node, person, { connect: false, now });
    const { messageId } = await client.send(note(person, 'waits'));
    await reached(client, messageId, MessageState.SENT);
    await client.contacts.optOut({ contact: person });
    assert.equal((await reached(client, messageId)).code, 131_050);
    await using phone = openPhone(node, state, { now });
    await optIn(client, person);
    await client.send(note(person, 'after a new opt-in'));
    const [shown] = await phone.showed(1);
    assert.equal(shown?.message.body, 'after a new opt-in');
  });

  test('with two devices sees each message on both, and the business hears of the first', async () => {
    const { client } = await business();
    const person = newPerson();
    await optIn(client, person);
    await using first = await startPhone(node, person, { now });
    await using second = await startPhone(node, person, { now, linkCode: await first.handset.createLinkCode() });
    const ids: string[] = [];
    for (const text of ['one', 'two', 'three']) ids.push((await client.send(note(person, text))).messageId);
    for (const phone of [first, second]) {
      await phone.showed(3);
      assert.deepEqual(
        phone.shown.map(({ messageId }) => messageId),
        ids,
      );
    }
    await allEnded(client, ids);
    const events = await allEvents(client);
    for (const id of ids)
      assert.equal(statesOf(events, id).filter((state) => state === MessageState.DELIVERED).length, 1);
  });

  test('is not shown what was cancelled before a device was handed it; later it is too late', async () => {
    const { client } = await business();
    const person = newPerson();
    await optIn(client, person);
    const { state } = await startPhone(node, person, { connect: false, now });
    const cancelled = await client.send(note(person, 'never mind'));
    const kept = await client.send(note(person, 'this one counts'));
    await reached(client, kept.messageId, MessageState.SENT);
    await client.messages.cancel(cancelled.messageId);
    assert.equal((await reached(client, cancelled.messageId)).state, MessageState.CANCELLED);
    await using phone = openPhone(node, state, { now });
    await phone.showed(1);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => messageId),
      [kept.messageId],
    );
    await reached(client, kept.messageId);
    await client.messages.cancel(kept.messageId);
    await client.messages.cancel(cancelled.messageId);
    const last = await client.send(note(person, 'last'));
    await reached(client, last.messageId);
    const events = await allEvents(client);
    assert.equal(statesOf(events, kept.messageId).at(-1), MessageState.DELIVERED);
    assert.equal(statesOf(events, cancelled.messageId).at(-1), MessageState.CANCELLED);
  });

  test('gets a burst of a number, then one for each interval, if the business sets that limit, else 131056', async () => {
    const { client } = await business({ pairBurst: 2, pairInterval: { seconds: 6n } });
    const person = newPerson();
    await optIn(client, person);
    await using phone = await startPhone(node, person, { now });
    const codeOf = async (text: string): Promise<number> => {
      const { messageId } = await client.send(note(person, text));
      const { state, code } = await reached(client, messageId);
      return state === MessageState.DELIVERED ? 0 : code;
    };
    assert.deepEqual([await codeOf('one'), await codeOf('two'), await codeOf('three')], [0, 0, 131_056]);
    clock.ms += 6_000;
    assert.deepEqual([await codeOf('four'), await codeOf('five')], [0, 131_056]);
    assert.equal(phone.shown.length, 3);
  });

  test('gets as many marketing messages in a period as the business allows itself, then 131049', async () => {
    const { client } = await business({ capCount: 2, capPeriod: { seconds: 3_600n } });
    const person = newPerson();
    const advert = { name: 'advert', language: 'en', category: Category.MARKETING, body: 'Buy {{text}}' };
    await client.templates.create({ template: advert });
    await optIn(client, person);
    await using phone = await startPhone(node, person, { now });
    const advertise = async (): Promise<{ state: MessageState; code: number }> => {
      const value = { name: 'advert', language: 'en', parameters: { text: 'now' } };
      const { messageId } = await client.send({ to: person, content: { case: 'template', value } });
      return reached(client, messageId);
    };
    const beganAt = clock.ms;
    assert.equal((await advertise()).state, MessageState.DELIVERED);
    clock.ms += 10 * minuteMs;
    assert.equal((await advertise()).state, MessageState.DELIVERED);
    assert.equal((await advertise()).code, 131_049);
    // Other categories are not counted.
    await reached(client, (await client.send(note(person, 'your parcel'))).messageId);
    clock.ms = beganAt + 60 * minuteMs - 1;
    assert.equal((await advertise()).code, 131_049);
    clock.ms += 1;
    assert.equal((await advertise()).state, MessageState.DELIVERED);
    assert.equal((await advertise()).code, 131_049);
    assert.equal(phone.shown.length, 4);
  });

  test('is not shown what expired while they were offline', async () => {
    const { client } = await business();
    const person = newPerson();
    await optIn(client, person);
    const { state } = await startPhone(node, person, { connect: false, now });
    const short = await client.send({ ...note(person, 'boarding now'), ttl: { seconds: 60n } });
    const long = await client.send({ ...note(person, 'your invoice'), ttl: { seconds: 86_400n } });
    await reached(client, long.messageId, MessageState.SENT);
    clock.ms += minuteMs;
    assert.equal((await reached(client, short.messageId)).state, MessageState.EXPIRED);
    await using phone = openPhone(node, state, { now });
    await phone.showed(1);
    await reached(client, long.messageId);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => messageId),
      [long.messageId],
    );
    assert.deepEqual(
      (await ledgerOf(client, 1)).map(({ messageId }) => messageId),
      [long.messageId],
    );
  });

  test('is charged for nothing that the phone did not show', async () => {
    const { client } = await business();
    const person = newPerson();
    await optIn(client, person);
    // Its clock is ahead: what it gets has expired by then.
    await using phone = await startPhone(node, person, { now: () => now() + 10 * minuteMs });
    const code = await client.send({ ...note(person, 'your code'), ttl: { seconds: 300n } });
    assert.equal((await reached(client, code.messageId)).state, MessageState.EXPIRED);
    const invoice = await client.send({ ...note(person, 'your invoice'), ttl: { seconds: 86_400n } });
    assert.equal((await reached(client, invoice.messageId)).state, MessageState.DELIVERED);
    assert.deepEqual(
      phone.shown.map(({ messageId }) => messageId),
      [invoice.messageId],
    );
    assert.deepEqual(
      (await ledgerOf(client, 1)).map(({ messageId }) => messageId),
      [invoice.messageId],
    );
  });
});
