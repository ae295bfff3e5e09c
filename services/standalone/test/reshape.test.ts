/** Ranges that are split, merged, cut elsewhere and moved while messages flow: by the operator's API, on a real node. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '@chappe/client/admin-client';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Range, Reshape } from '@chappe/proto/v1/cluster_service';
import { Tally } from '../../../load-tests/checker/tally.ts';
import {
  allEnded,
  makeBusiness,
  makeNote,
  note,
  optIn,
  startPhone,
  startTestNode,
  type TestPhone,
} from './test-node.ts';

const people = ['+12015510001', '+33612010002', '+33781010003', '+447911110004', '+4915112010005', '+819012310006'];
const number = '+33123456789';

describe('ranges that change under load', () => {
  test('ORDER, ONCE, NO-LOSS: through split, merge, a moved bound and moves nothing is refused, lost, repeated or overtaken', async () => {
    await using node = await startTestNode();
    const { admin } = node;
    const { client } = await makeBusiness(node, 'Air Semaphore', number);
    await makeNote(client);
    await optIn(client, ...people);
    const tally = new Tally();
    const phones = await Promise.all(people.map((person) => openPhoneOf(node, tally, person)));
    await using stream = client.openSendStream();
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

    const first = await rangeOf(admin, '336');
    const [low, high] = await done(admin, { ranges: [first.id], cuts: ['337'] });
    await admin.cluster.moveRange({ range: high ?? '', shard: await otherShard(admin, high ?? '') });
    await sleep(100);
    await done(admin, { ranges: [low ?? '', high ?? ''], cuts: ['3362'] });
    await sleep(100);
    await done(admin, { ranges: [(await rangeOf(admin, '3361')).id], atMiddle: true });
    const [left, right] = [await rangeOf(admin, '1'), await rangeOf(admin, '3')];
    await done(admin, { ranges: [left.id, right.id], cuts: [] });
    await sleep(200);
    over.abort();
    await Promise.all(sending);
    await allEnded(client, ids);
    for (const [index, phone] of phones.entries()) await phone.showed(sent[index] ?? 0);
    for (const phone of phones) await phone[Symbol.asyncDispose]();

    assert.ok(ids.length > people.length * 4, `only ${ids.length} messages were sent meanwhile`);
    const misplaced = tally.problems().filter((problem) => /^(ORDER|ONCE: .* shown|TENANT)/u.test(problem));
    assert.deepEqual(misplaced, []);
    const { lines } = await admin.cluster.listJournal({ limit: 0 });
    assert.equal(lines.filter(({ text }) => text.includes('the operator wants it')).length >= 4, true);
  });

  test('what cannot be done is refused with a reason, and nothing changes', async () => {
    await using node = await startTestNode();
    const { cluster } = node.admin;
    const before = await cluster.listRanges({});
    const [first, second, third] = before.ranges.map(({ id }) => id);
    const refused = async (request: Parameters<typeof cluster.reshapeRanges>[0], detail: RegExp): Promise<void> => {
      await assert.rejects(
        cluster.reshapeRanges(request),
        (error) => error instanceof ChappeError && detail.test(error.message),
      );
    };
    await refused({ ranges: [first ?? ''], cuts: ['3'] }, /cannot be cut at 3/);
    await refused({ ranges: [first ?? ''], cuts: ['34'] }, /cannot be cut at 34/);
    await refused({ ranges: [first ?? ''], cuts: ['x'] }, /cannot be cut at x/);
    await refused({ ranges: [first ?? ''] }, /stays what it is/);
    await refused({ ranges: [first ?? '', third ?? ''] }, /do not touch/);
    await refused({ ranges: [first ?? '', first ?? ''] }, /named twice/);
    await refused({ ranges: ['r99'], cuts: ['1'] }, /no range r99/);
    await refused({ ranges: [first ?? '', second ?? ''], atMiddle: true }, /middle of one range/);
    await assert.rejects(cluster.moveRange({ range: first ?? '', shard: 's9' }), /none with this id/);
    await cluster.drainShard({ shard: 's2' });
    await assert.rejects(cluster.moveRange({ range: first ?? '', shard: 's2' }), /being emptied/);
    await cluster.drainShard({ shard: 's2', undo: true });
    const after = await cluster.listRanges({});
    assert.deepEqual(
      [after.generation, after.ranges.map(({ id }) => id)],
      [before.generation, before.ranges.map(({ id }) => id)],
    );
  });

  test('two operators at once: one reshape of a range is done, the other one is told of it', async () => {
    await using node = await startTestNode();
    const { cluster } = node.admin;
    const { id } = await rangeOf(node.admin, '336');
    const both = await Promise.allSettled([
      cluster.reshapeRanges({ ranges: [id], cuts: ['337'] }),
      cluster.reshapeRanges({ ranges: [id], cuts: ['338'] }),
    ]);
    const asked = both.flatMap((result) => (result.status === 'fulfilled' ? (result.value.reshape ?? []) : []));
    const ended = await Promise.all(asked.map((reshape) => untilEnded(node.admin, reshape.id)));
    assert.equal(ended.filter(({ step }) => step === 'active').length, 1);
    for (const { step, problem } of ended) if (step !== 'active') assert.match(problem, /reshape|draining|sealed/);
  });
});

async function openPhoneOf(
  node: Awaited<ReturnType<typeof startTestNode>>,
  tally: Tally,
  person: string,
): Promise<TestPhone> {
  return startPhone(node, person, {
    listener: { onMessage: ({ messageId, from }) => tally.noteShown(person, person, `+${from}`, messageId) },
  });
}

async function rangeOf({ cluster }: AdminClient, prefix: string): Promise<Range> {
  const { ranges } = await cluster.listRanges({});
  const found = ranges.find(
    ({ state, start, end }) => state === 'active' && start <= prefix && (end === '' || prefix < end),
  );
  assert.ok(found !== undefined, `no active range holds ${prefix}`);
  return found;
}

async function otherShard({ cluster }: AdminClient, rangeId: string): Promise<string> {
  const owner = (await cluster.listRanges({})).ranges.find(({ id }) => id === rangeId)?.owner;
  return owner === 's1' ? 's2' : 's1';
}

/** Asks for a reshape, waits until it is done; the new ranges. */
async function done(
  admin: AdminClient,
  request: Parameters<AdminClient['cluster']['reshapeRanges']>[0],
): Promise<string[]> {
  const { reshape } = await admin.cluster.reshapeRanges(request);
  const ended = await untilEnded(admin, reshape?.id ?? '');
  assert.equal(ended.step, 'active', ended.problem);
  return ended.newRanges;
}

async function untilEnded({ cluster }: AdminClient, id: string): Promise<Reshape> {
  for (;;) {
    const found = (await cluster.listReshapes({})).reshapes.find((reshape) => reshape.id === id);
    if (found !== undefined && ['active', 'refused', 'undone'].includes(found.step)) return found;
    await sleep(5);
  }
}
