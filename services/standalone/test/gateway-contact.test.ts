/** What the gateway asks of the others: the contact's range, the price list, the ledger, the routing table. */
import { OptInState } from '@chappe/proto/v1/event';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventsUntil, makeBusiness, optIn, startPhone, startTestNode, type TestNode } from './test-node.ts';

let node: TestNode;
let shop: Awaited<ReturnType<typeof makeBusiness>>;
let bakery: Awaited<ReturnType<typeof makeBusiness>>;

before(async () => {
  node = await startTestNode();
  shop = await makeBusiness(node, 'Shop', '+33140000001');
  bakery = await makeBusiness(node, 'Bakery', '+33140000002');
});
after(async () => {
  shop.client[Symbol.dispose]();
  bakery.client[Symbol.dispose]();
  await node[Symbol.asyncDispose]();
});

test('what was recorded for a contact is read back at once, in every range', async () => {
  const contacts = ['+14155552671', '+33612345678', '+447400123456', '+8613800138000'];
  for (const contact of contacts) {
    await optIn(shop.client, contact);
    const known = await shop.client.contacts.get({ contact });
    assert.deepEqual(
      [known.optIn, known.optInSource, known.optInWording],
      [OptInState.OPTED_IN, 'test', 'send me messages'],
    );
    await shop.client.contacts.optOut({ contact });
    assert.equal((await shop.client.contacts.get({ contact })).optIn, OptInState.OPTED_OUT);
  }
});

test('TENANT: a business knows nothing of the agreement that another one has', async () => {
  await optIn(shop.client, '+33612345679');
  const known = await bakery.client.contacts.get({ contact: '+33612345679' });
  assert.deepEqual([known.optIn, known.optInSource, known.windows], [OptInState.UNSPECIFIED, '', []]);
});

test('a quote equals the charge that follows, in the window and outside it', async () => {
  const to = '+33612345680';
  await using phone = await startPhone(node, to);
  await optIn(shop.client, to);
  await shop.client.templates.create({ template: { name: 'hello', language: 'en', category: 1, body: 'Hello' } });

  const quoted = await shop.client.billing.quote({ to, category: 1 });
  assert.deepEqual([quoted.country, quoted.category, quoted.windowOpen], ['FR', 'utility', false]);
  assert.ok((quoted.price?.micros ?? 0n) > 0n);
  const { messageId } = await shop.client.send({
    to,
    content: { case: 'template', value: { name: 'hello', language: 'en' } },
  });
  await phone.showed(1);
  await phone.handset.reply('+33140000001', 'Hi');
  const events = await eventsUntil(shop.client, ({ kind }) => kind.case === 'received');
  const accepted = events.find(({ kind }) => kind.case === 'state' && kind.value.messageId === messageId)?.kind;
  assert.deepEqual(accepted?.case === 'state' ? accepted.value.pricing?.price : undefined, quoted.price);

  const reply = await shop.client.billing.quote({ to });
  assert.deepEqual([reply.category, reply.windowOpen, reply.price?.micros], ['service', true, 0n]);
  assert.match(reply.assumption, /24 h window closes/);

  let entries = (await shop.client.billing.listLedger({})).entries;
  while (entries.length === 0) entries = (await shop.client.billing.listLedger({})).entries;
  assert.deepEqual(
    entries.map((entry) => [entry.messageId, entry.amount]),
    [[messageId, quoted.price]],
  );
  assert.deepEqual((await bakery.client.billing.listLedger({})).entries, []);
  assert.deepEqual((await shop.client.billing.getStatement({})).total, quoted.price);
});

test('the routing table covers every number, and every range has a shard', async () => {
  const { ranges, generation } = await node.admin.cluster.listRanges({});
  const { shards } = await node.admin.cluster.listShards({});
  assert.ok(generation > 0n);
  assert.deepEqual(ranges.map(({ start }) => start).slice(1), ranges.map(({ end }) => end).slice(0, -1));
  assert.deepEqual([ranges[0]?.start, ranges.at(-1)?.end], ['', '']);
  const ids = shards.map(({ id }) => id);
  assert.ok(ranges.every(({ owner, state }) => state === 'active' && ids.includes(owner)));
  assert.equal(
    shards.reduce((sum, shard) => sum + shard.ranges, 0),
    ranges.length,
  );
});
