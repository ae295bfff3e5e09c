import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TokenBuckets } from '../src/token-bucket.ts';

test('a burst is let through, then the rate; a refusal says how long to wait and takes nothing', () => {
  let nowMs = 0;
  const buckets = new TokenBuckets({ perSecond: 10, burst: 5 }, 10, () => nowMs);
  assert.equal(buckets.take('a', 5), 0);
  assert.equal(buckets.take('a', 1), 100);
  assert.equal(buckets.take('b', 5), 0, 'one business does not use up another');
  nowMs += 100;
  assert.equal(buckets.take('a', 1), 0);
  assert.equal(buckets.take('a', 1), 100);
});

test('more than a burst at once waits for a full bucket and is paid for afterwards', () => {
  let nowMs = 0;
  const buckets = new TokenBuckets({ perSecond: 10, burst: 5 }, 10, () => nowMs);
  assert.equal(buckets.take('a', 15), 0);
  assert.equal(buckets.take('a', 1), 1_100);
  nowMs += 1_100;
  assert.equal(buckets.take('a', 1), 0);
});
