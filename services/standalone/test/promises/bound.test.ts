import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EventService } from '@chappe/proto/v1/event_service';
import { MessageService, type SendStreamRequestSchema } from '@chappe/proto/v1/message_service';
import { MessageState } from '@chappe/proto/v1/event';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Channel } from '@chappe/rpc/client';
import {
  allEnded,
  allEvents,
  makeBusiness,
  makeNote,
  note,
  openPhone,
  optIn,
  reached,
  startPhone,
  startTestNode,
  statesOf,
} from '../test-node.ts';

const person = '+33612345678';
/** protocols 7.5: of one number for one device. */
const mailboxMax = 200;

describe('BOUND', () => {
  test('BOUND: a mailbox that is full refuses with 3004, keeps what it has, and takes more once there is room', async () => {
    await using node = await startTestNode();
    const { client } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    const other = await makeBusiness(node, 'Parcel Post', '+33123456780');
    for (const business of [client, other.client]) {
      await makeNote(business);
      await optIn(business, person);
    }
    const { state } = await startPhone(node, person, { connect: false });
    const stream = client.openSendStream();
    const sends = Array.from({ length: mailboxMax + 5 }, (_, index) => stream.send(note(person, `${index}`)));
    const ids = (await Promise.all(sends)).map(({ messageId }) => messageId);
    await stream.close();
    for (const id of ids.slice(mailboxMax)) assert.equal((await reached(client, id)).code, 3004);
    const kept = ids.slice(0, mailboxMax);
    assert.deepEqual(statesOf(await allEvents(client), kept.at(-1) ?? ''), [MessageState.ACCEPTED, MessageState.SENT]);
    // One business does not fill a person's mailbox for another one.
    const theirs = await other.client.send(note(person, 'from another business'));
    await reached(other.client, theirs.messageId, MessageState.SENT);

    await using phone = openPhone(node, state);
    await phone.showed(mailboxMax + 1);
    await allEnded(client, kept);
    const shown = phone.shown.map(({ messageId }) => messageId);
    assert.deepEqual(shown, [...kept, theirs.messageId]);
    const again = await client.send(note(person, 'there is room'));
    assert.equal((await reached(client, again.messageId)).state, MessageState.DELIVERED);
  });

  test('BOUND: a subscriber that does not read holds nobody up and misses nothing', async () => {
    await using node = await startTestNode();
    const { client, apiKey } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    await makeNote(client);
    const people = Array.from({ length: 10 }, (_, index) => `+3361234560${index}`);
    await optIn(client, ...people);
    using channel = new Channel({ address: node.node.gatewayAddress, bearer: apiKey });
    const slow = channel.client(EventService).subscribe({});
    const iterator = slow[Symbol.asyncIterator]();
    await iterator.next();

    // Each fails, as nobody has a phone: one event, whose echo fills whatever lies between.
    const stream = client.openSendStream();
    const echo = 'e'.repeat(500);
    const ids: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const sends = Array.from({ length: 300 }, (_, index) => ({
        ...note(people[index % 10] ?? '', `${round}`),
        echo,
      }));
      ids.push(...(await Promise.all(sends.map((send) => stream.send(send)))).map(({ messageId }) => messageId));
    }
    await stream.close();
    await allEnded(client, ids);

    const late = new Set<string>();
    while (late.size < ids.length) {
      const { value, done } = await iterator.next();
      assert.ok(!done);
      for (const { kind } of value.events) if (kind.case === 'state') late.add(kind.value.messageId);
    }
    assert.deepEqual([...late].toSorted(byText), ids.toSorted(byText));
    await iterator.return?.();
  });

  test('BOUND: a stream says its window and is read no further when its answers are not taken', async () => {
    await using node = await startTestNode();
    const { apiKey } = await makeBusiness(node, 'Air Semaphore', '+33123456789');
    using channel = new Channel({ address: node.node.gatewayAddress, bearer: apiKey });
    const stream = channel.client(MessageService).sendStream();
    const responses = stream.responses[Symbol.asyncIterator]();
    const first = await responses.next();
    assert.equal(first.value?.window, 1_000);

    // Each is refused with an answer of some 200 bytes, so that untaken answers fill the connection.
    const frame: MessageInitShape<typeof SendStreamRequestSchema> = {
      messages: Array.from({ length: 200 }, () => ({ to: 'not a number', echo: 'e'.repeat(400) })),
    };
    let taken = 0;
    let isStuck = false;
    while (taken < 100_000 && !isStuck) {
      const sent = stream.send(frame).then(() => 'taken' as const);
      isStuck = (await Promise.race([sent, stillAfterMs(500)])) === 'stuck';
      if (!isStuck) taken += 200;
    }
    assert.ok(isStuck, `${taken} messages were taken while nobody took their answers`);
    // Taking the answers makes it go on.
    let answered = 0;
    while (answered < taken) {
      const { value } = await responses.next();
      answered += value?.results.length ?? 0;
    }
    stream.cancel();
  });
});

function stillAfterMs(ms: number): Promise<'stuck'> {
  return new Promise((resolve) => setTimeout(() => resolve('stuck'), ms).unref());
}

function byText(a: string, b: string): number {
  return a < b ? -1 : 1;
}
