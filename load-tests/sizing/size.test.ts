import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMeasured, type Measured } from './measured.ts';
import { pageWithTables } from './page.ts';
import { prices } from './prices.ts';
import { sizeFor } from './size.ts';

const measured: Measured = {
  machine: 'a machine',
  at: '2026-01-01',
  costs: [
    { window: 'slow', perShard: 50, cpuUs: { gateway: 2_000, sender: 4_000, kafka: 2_000, mariadb: 3_000 } },
    { window: 'fast', perShard: 250, cpuUs: { gateway: 500, sender: 700, crypto: 700, kafka: 200, mariadb: 700 } },
  ],
  traffic: { 'sender > crypto': 1_000, 'sender > kafka': 300, 'relay > handsets': 500, 'driver > gateway': 800 },
  kept: { 'kafka log': 1_000, 'mariadb tables': 2_000 },
};

test('shards are as many as keep each at the rate that its cost was measured at', () => {
  const [slow, fast] = [sizeFor(100, measured, prices), sizeFor(10_000, measured, prices)];
  assert.equal(slow.cost.window, 'slow');
  assert.equal(slow.pods.sender, 1);
  assert.equal(fast.cost.window, 'fast');
  assert.equal(fast.pods.sender, 20);
});

test('each zone has pods and nodes for everything, and no processor is busier than seven tenths then', () => {
  const { pods, nodes, processors } = sizeFor(10_000, measured, prices);
  assert.equal(processors, 19);
  assert.equal(pods.gateway, Math.ceil(5 / 0.7));
  assert.equal(pods.billing, 1);
  assert.ok(nodes.count * nodes.instance.processors * 0.7 >= processors);
});

test('every second byte between services crosses zones, two of three to and from brokers, and what comes in is free', () => {
  const seconds = 730 * 3_600;
  const { crossZoneGb, internetGb, logGb } = sizeFor(1_000, measured, prices);
  assert.ok(Math.abs(crossZoneGb - (700 * 1_000 * seconds) / 1e9) < 1e-6);
  assert.ok(Math.abs(internetGb - (500 * 1_000 * seconds) / 1e9) < 1e-6);
  assert.ok(Math.abs(logGb - (3 * 1_000 * 1_000 * 86_400) / 1e9) < 1e-6);
});

test('what one database cannot hold or write is spread over as many stores as can', () => {
  const { databases, tableGbMonth } = sizeFor(20_000, measured, prices);
  assert.deepEqual([databases.count, databases.instance.name], [Math.ceil(tableGbMonth / 70_369), 'db.m7g.4xlarge']);
  const busy: Measured = { ...measured, kept: { ...measured.kept, 'mariadb tables': 1 } };
  assert.equal(sizeFor(200_000, busy, prices).databases.count, Math.ceil((200_000 * 700e-6) / 0.7 / 64));
});

test('the page has the sizes of the kept reports', () => {
  const { now, wanted } = pageWithTables(readMeasured(), prices);
  assert.equal(now, wanted, 'run `node load-tests/sizing/main.ts`');
});
