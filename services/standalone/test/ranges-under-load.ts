/** What tests of ranges that change have in common: messages that flow meanwhile, and an operator who asks and waits. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '@chappe/client/admin-client';
import type { Range, Reshape } from '@chappe/proto/v1/cluster_service';
import { Tally } from '../../../load-tests/checker/tally.ts';
import { allEnded, makeBusiness, makeNote, note, optIn, startPhone, type TestNode } from './test-node.ts';

export interface Sending extends AsyncDisposable {
  /** Sends no more; then all that was accepted has been shown and has ended, and nothing was repeated or overtaken. */
  readonly end: () => Promise<void>;
}

/** One message after the other to each person, from now on. */
export async function startSending(node: TestNode, people: readonly string[], number: string): Promise<Sending> {
  const { client } = await makeBusiness(node, 'Air Semaphore', number);
  await makeNote(client);
  await optIn(client, ...people);
  const tally = new Tally();
  await using started = new AsyncDisposableStack();
  const phones = await Promise.all(
    people.map(async (person) =>
      started.use(
        await startPhone(node, person, {
          listener: { onMessage: ({ messageId, from }) => tally.noteShown(person, person, `+${from}`, messageId) },
        }),
      ),
    ),
  );
  const stream = started.use(client.openSendStream());
  const ids: string[] = [];
  const sent: number[] = [];
  const over = new AbortController();
  const sending = people.map(async (person, index) => {
    for (let count = 0; !over.signal.aborted; count += 1) {
      const key = `${person}-${count}`;
      tally.noteSubmitted({ key, contact: person, number });
      const { messageId } = await stream.send(note(person, key, key));
      tally.noteAccepted(key, messageId);
      ids.push(messageId);
      sent[index] = count + 1;
      await sleep(2);
    }
  });
  const opened = started.move();
  return {
    end: async () => {
      over.abort();
      await Promise.all(sending);
      await allEnded(client, ids);
      for (const [index, phone] of phones.entries()) await phone.showed(sent[index] ?? 0);
      assert.ok(ids.length > people.length * 4, `only ${ids.length} messages were sent meanwhile`);
      const misplaced = tally.problems().filter((problem) => /^(ORDER|ONCE: .* shown|TENANT)/u.test(problem));
      assert.deepEqual(misplaced, []);
    },
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await opened.disposeAsync();
    },
  };
}

export async function rangeOf({ cluster }: AdminClient, prefix: string): Promise<Range> {
  const { ranges } = await cluster.listRanges({});
  const found = ranges.find(
    ({ state, start, end }) => state === 'active' && start <= prefix && (end === '' || prefix < end),
  );
  assert.ok(found !== undefined, `no active range holds ${prefix}`);
  return found;
}

/** Asks for a reshape, waits until it is done; the new ranges. */
export async function reshaped(
  admin: AdminClient,
  request: Parameters<AdminClient['cluster']['reshapeRanges']>[0],
): Promise<string[]> {
  const { reshape } = await admin.cluster.reshapeRanges(request);
  const ended = await untilEnded(admin, reshape?.id ?? '');
  assert.equal(ended.step, 'active', ended.problem);
  return ended.newRanges;
}

export async function untilEnded({ cluster }: AdminClient, id: string): Promise<Reshape> {
  for (;;) {
    const found = (await cluster.listReshapes({})).reshapes.find((reshape) => reshape.id === id);
    if (found !== undefined && ['active', 'refused', 'undone'].includes(found.step)) return found;
    await sleep(5);
  }
}
