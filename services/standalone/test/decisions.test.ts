/** Decisions by load, with real senders: a hot range is split, a shard that joins gets its share, cold ranges are merged. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Range } from '@chappe/proto/v1/cluster_service';
import { Rig, until } from './sender-rig.ts';

/** As usual, with windows of seconds and for a load that this machine does beside other tests. */
const decisions = {
  shapeLookMs: 500,
  averageMs: 2_000,
  peakMs: 4_000,
  hotShare: 20 / 1_500,
  hotterThanMeanShare: 10 / 1_500,
  coldShare: 2 / 1_500,
  splitRestMs: 60_000,
};
const people = Array.from({ length: 64 }, (_, index) => `+336${String(10_000_000 + index * 1_400_000)}`);

test('a hot range is split by itself, a shard that joins gets its share, and what is cold is merged', async () => {
  await using rig = await Rig.start(decisions);
  const { cluster } = rig.admin;
  await rig.startShard('s1');
  using client = await rig.business('+33123456789');
  await using stream = client.openSendStream();
  const over = new AbortController();
  // Nobody has opted in: each is a command that ends at once.
  const load = (async () => {
    for (let count = 0; !over.signal.aborted; count += 1) {
      const to = people[(count * 29) % people.length] ?? '';
      await stream.send({ to, content: { case: 'text', value: { text: 'x' } } }).catch(() => undefined);
      await sleep(8);
    }
  })();
  const active = async (): Promise<Range[]> =>
    (await cluster.listRanges({})).ranges.filter(({ state }) => state === 'active');
  const said = async (): Promise<string[]> => (await cluster.listJournal({ limit: 0 })).lines.map(({ text }) => text);

  await rig.startShard('s2', { waits: false });
  await until(async () => (await said()).some((text) => text.startsWith('r1 cut at 336')));
  await until(async () => {
    const owners = (await active()).filter(({ start, end }) => end === '4' || start === '').map(({ owner }) => owner);
    return new Set(owners).size === 2;
  });
  const journal = await said();
  assert.ok(
    journal.some((text) =>
      /^reshape load-[\w-]+: split of r1 at 336\d*: .* commands a second are more than /u.test(text),
    ),
  );
  assert.ok(
    journal.some((text) => /^r\d+ to s2: for balance: s1 is at /u.test(text)),
    journal.join('\n'),
  );

  over.abort();
  await load;
  const cuts = ['5', '6', '7', '8', '81', '82', '83'];
  const cold = (await active()).find(({ start }) => start === '4');
  await cluster.reshapeRanges({ ranges: [cold?.id ?? ''], cuts });
  await until(async () => (await active()).length === 10);
  // Merges are a minute apart: the first one is enough.
  await until(async () => (await active()).length === 9);
  assert.match((await said()).join('\n'), /merged into r\d+: never more than .* together within /u);
  const plan = await cluster.getPlan({});
  assert.equal(plan.stale, false);
  assert.deepEqual(
    plan.shards.map(({ shard, draining }) => [shard, draining]),
    [
      ['s1', false],
      ['s2', false],
    ],
  );
});
