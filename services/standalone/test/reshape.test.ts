/** Ranges that are split, merged, cut elsewhere and moved while messages flow: by the operator's API, on a real node. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '@chappe/client/admin-client';
import { ChappeError } from '@chappe/errors/chappe-error';
import { rangeOf, reshaped, startSending, untilEnded } from './ranges-under-load.ts';
import { startTestNode } from './test-node.ts';

const people = ['+12015510001', '+33612010002', '+33781010003', '+447911110004', '+4915112010005', '+819012310006'];
const number = '+33123456789';

describe('ranges that change under load', () => {
  test('ORDER, ONCE, NO-LOSS: through split, merge, a moved bound and moves nothing is refused, lost, repeated or overtaken', async () => {
    await using node = await startTestNode();
    const { admin } = node;
    await using sending = await startSending(node, people, number);

    const first = await rangeOf(admin, '336');
    const [low, high] = await reshaped(admin, { ranges: [first.id], cuts: ['337'] });
    await admin.cluster.moveRange({ range: high ?? '', shard: await otherShard(admin, high ?? '') });
    await sleep(100);
    await reshaped(admin, { ranges: [low ?? '', high ?? ''], cuts: ['3362'] });
    await sleep(100);
    await reshaped(admin, { ranges: [(await rangeOf(admin, '3361')).id], atMiddle: true });
    const [left, right] = [await rangeOf(admin, '1'), await rangeOf(admin, '3')];
    await reshaped(admin, { ranges: [left.id, right.id], cuts: [] });
    await sleep(200);
    await sending.end();
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

async function otherShard({ cluster }: AdminClient, rangeId: string): Promise<string> {
  const owner = (await cluster.listRanges({})).ranges.find(({ id }) => id === rangeId)?.owner;
  return owner === 's1' ? 's2' : 's1';
}
