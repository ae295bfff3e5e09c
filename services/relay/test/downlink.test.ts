import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Downlink } from '../src/downlink.ts';
import { queuedBytesMax } from '../src/limits.ts';
import { envelopes } from './shard-peer.ts';

test('BOUND: what does not fit behind what waits is not taken; alone it always is, so that something moves', () => {
  const downlink = new Downlink();
  const bytes = Math.ceil(queuedBytesMax / 10);
  assert.equal(downlink.push(1, envelopes(1, 11, bytes).envelopes), true);
  assert.equal(downlink.push(1, envelopes(12, 12, bytes).envelopes), false);
  assert.equal(downlink.next()?.envelopes, 11);
  assert.equal(downlink.push(1, envelopes(12, 12, bytes).envelopes), true);
});
