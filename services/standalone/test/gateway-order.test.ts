/** ORDER on a stream with refusals that pass: the server's rule and the client library's together. */
import { ChappeError } from '@chappe/errors/chappe-error';
import { PendingSends } from '@chappe/client/pending-sends';
import { RefusedContacts } from '@chappe/gateway/refused-contacts';
import { MessageService } from '@chappe/proto/v1/message_service';
import { topicOf } from '@chappe/ranges/range';
import { Channel } from '@chappe/rpc/client';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayHarness, parcel } from './gateway-harness.ts';

const window = 8;
const messages = 30;

interface OnTheWire {
  readonly index: number;
  readonly contact: string;
  readonly identity: string;
  /** With its whole frame, before those in front of it had their turn. */
  readonly isRefusedAtOnce: boolean;
}

/** A server that answers in order and refuses, of those that reach their turn, what the script says. */
class ScriptedServer {
  readonly accepted: string[] = [];
  readonly #refusals = new RefusedContacts(window);
  readonly #faults: Iterator<boolean>;
  #arrived = 0;

  constructor(faults: readonly boolean[]) {
    this.#faults = faults.values();
  }

  arrives(contact: string, identity: string, isRefusedAtOnce: boolean): OnTheWire {
    this.#arrived += 1;
    const place = { index: this.#arrived, contact, identity, isRefusedAtOnce };
    if (isRefusedAtOnce) this.#refusals.refused(place);
    return place;
  }

  /** Whether the message is accepted. */
  takes(place: OnTheWire): boolean {
    if (place.isRefusedAtOnce) return false;
    if (this.#refusals.behind(place)) {
      this.#refusals.refused(place);
      return false;
    }
    if (this.#faults.next().value === true) {
      this.#refusals.refused(place);
      return false;
    }
    this.#refusals.settled(place);
    this.accepted.push(place.identity);
    return true;
  }
}

test('ORDER: whatever is refused for a moment, and however answers and frames interleave, a contact’s messages are accepted in order', () => {
  const script = fc.record({
    contacts: fc.array(fc.constantFrom('1', '2', '3'), { minLength: messages, maxLength: messages }),
    faults: fc.array(fc.boolean(), { maxLength: 60 }),
    steps: fc.array(fc.constantFrom('submit', 'submitInVain', 'turn', 'answer', 'wait', 'break'), {
      minLength: 20,
      maxLength: 400,
    }),
    frame: fc.integer({ min: 1, max: 4 }),
  });
  fc.assert(
    fc.property(script, ({ contacts, faults, steps, frame }) => {
      const pending = new PendingSends();
      const done: string[] = [];
      for (const [index, contact] of contacts.entries()) {
        pending.add({
          no: index,
          contact,
          request: { idempotencyKey: `${contact}-${index}` },
          bytes: 1,
          resolve: ({ messageId }) => done.push(messageId),
          reject: () => assert.fail('nothing is refused for good'),
          refusedAtMs: undefined,
        });
      }
      const accepted: string[] = [];
      let server = new ScriptedServer(faults);
      let wire: OnTheWire[] = [];
      let answers: boolean[] = [];
      let nowMs = 0;
      const step = (kind: (typeof steps)[number]): void => {
        switch (kind) {
          case 'submit':
          case 'submitInVain': {
            const room = Math.min(frame, window - pending.unanswered);
            if (room <= 0) return;
            for (const { contact, request } of pending.take({ messages: room, bytes: 1_000 }, nowMs)) {
              wire.push(server.arrives(contact, request.idempotencyKey ?? '', kind === 'submitInVain'));
            }
            return;
          }
          case 'turn': {
            const place = wire.shift();
            if (place === undefined) return;
            answers.push(server.takes(place));
            return;
          }
          case 'answer': {
            const answer = answers.shift();
            if (answer === undefined) return;
            if (answer) pending.answered()?.resolve({ messageId: 'm' });
            else pending.refused(() => 10, nowMs);
            return;
          }
          case 'wait':
            nowMs += 10;
            return;
          case 'break':
            // What is on the wire still reaches the server; its answers are lost.
            for (const place of wire) server.takes(place);
            accepted.push(...server.accepted);
            server = new ScriptedServer([]);
            wire = [];
            answers = [];
            pending.disconnected();
        }
      };
      steps.forEach(step);
      for (let round = 0; pending.size > 0; round += 1) {
        assert.ok(round < 2_000, 'it comes to an end');
        for (const kind of ['submit', 'turn', 'answer', 'wait'] as const) step(kind);
      }
      accepted.push(...server.accepted);
      assert.equal(done.length, messages);
      const firsts = [...new Set(accepted)];
      assert.equal(firsts.length, messages);
      for (const contact of new Set(contacts)) {
        const seen = firsts
          .filter((identity) => identity.startsWith(`${contact}-`))
          .map((identity) => Number(identity.slice(2)));
        assert.deepEqual(
          seen,
          seen.toSorted((a, b) => a - b),
        );
      }
    }),
    { numRuns: 2_000 },
  );
});

test('a message behind a refused one is refused until that one comes again', () => {
  const refusals = new RefusedContacts(10);
  const first = { index: 0, contact: 'a', identity: 'one' };
  refusals.refused(first);
  assert.equal(refusals.behind({ index: 1, contact: 'a', identity: 'two' }), true);
  assert.equal(refusals.behind({ index: 2, contact: 'b', identity: 'three' }), false);
  assert.equal(refusals.behind({ index: 3, contact: 'a', identity: 'one' }), false);
  assert.equal(refusals.behind({ index: 4, contact: 'a', identity: 'two' }), false);
});

test('a refusal is forgotten a window later, when the client must have heard of it', () => {
  const refusals = new RefusedContacts(10);
  refusals.refused({ index: 5, contact: 'a', identity: 'one' });
  assert.equal(refusals.behind({ index: 14, contact: 'a', identity: 'two' }), true);
  assert.equal(refusals.behind({ index: 15, contact: 'a', identity: 'two' }), false);
});

test('ORDER: a range that takes nothing for a while refuses, and what is submitted again keeps its order', async () => {
  await using harness = await GatewayHarness.start();
  const { client, apiKey } = await harness.business('Shop', '+33140000001');
  using channel = new Channel({ address: harness.address, bearer: apiKey });
  // French numbers are in the second range; it refuses after it was sealed for 5 s and nothing replaced it.
  await harness.log.seal([topicOf('r-2')]);
  await using stream = client.openSendStream();
  const contacts = ['+33612345678', '+33612345679'];
  const sent = Array.from({ length: 600 }, (_, index) => stream.send(parcel(contacts[index % 2] ?? '', String(index))));
  const elsewhere = await client.send(parcel('+14155552671', '1'));
  assert.ok(elsewhere.messageId, 'another range is not held up');
  const refused = channel.client(MessageService).send(parcel('+33612345680', '1'));
  await assert.rejects(refused, (error) => error instanceof ChappeError && error.entry.code === 3008);
  await harness.replace('r-2');
  const ids = (await Promise.all(sent)).map(({ messageId }) => messageId);
  const first = new Map(
    (await harness.commands()).toReversed().map(({ record }) => [record.headers.id, record.offset]),
  );
  for (const turn of [0, 1]) {
    const offsets = ids.filter((_, index) => index % 2 === turn).map((id) => first.get(id) ?? -1);
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    );
  }
});
