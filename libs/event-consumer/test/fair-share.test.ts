import * as fc from 'fast-check';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planShare } from '../src/fair-share.ts';

test('instances that act in any order end with every bucket read by one, and shares that differ by one', () => {
  const instances = fc.uniqueArray(fc.stringMatching(/^[a-z]{1,3}$/), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 24 }),
      instances,
      fc.array(fc.nat(7), { maxLength: 24 }),
      (buckets, live, before) => {
        const leased = new Map<number, string>();
        before.slice(0, buckets).forEach((holder, bucket) => {
          const name = live[holder];
          if (name !== undefined) leased.set(bucket, name);
        });
        for (let round = 0; round < 2; round += 1) {
          for (const me of live) {
            const { take, give } = planShare({ buckets, me, instances: live, leased, reading: new Set() });
            for (const bucket of give) leased.delete(bucket);
            for (const bucket of take) leased.set(bucket, me);
          }
        }
        assert.equal(leased.size, buckets);
        const counts = live.map((name) => [...leased.values()].filter((holder) => holder === name).length);
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
        for (const me of live) {
          assert.deepEqual(planShare({ buckets, me, instances: live, leased, reading: new Set() }), {
            take: [],
            give: [],
          });
        }
      },
    ),
  );
});

test('after a lost lease an instance takes what it reads first', () => {
  const plan = planShare({ buckets: 4, me: 'a', instances: ['a', 'b'], leased: new Map(), reading: new Set([2, 3]) });
  assert.deepEqual(plan.take, [2, 3]);
});
