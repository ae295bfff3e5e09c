import assert from 'node:assert/strict';
import { test } from 'node:test';
import { efficiencyOf, fitScaling, lawAt } from './scaling-law.ts';

const alone = { shards: 1, perSecond: 100 };

test('the law that made the points is found again', () => {
  const law = { contention: 0.05, coherence: 0.002 };
  const points = [1, 2, 4, 8, 16].map((shards) => ({ shards, perSecond: lawAt(law, alone, shards) }));
  const fit = fitScaling(points);
  assert.ok(fit !== undefined);
  assert.ok(Math.abs(fit.contention - law.contention) < 1e-9);
  assert.ok(Math.abs(fit.coherence - law.coherence) < 1e-9);
});

test('shards that owe each other nothing have neither contention nor coherence', () => {
  const fit = fitScaling([1, 2, 4, 8].map((shards) => ({ shards, perSecond: 100 * shards })));
  assert.deepEqual(fit, { contention: 0, coherence: 0 });
  assert.equal(efficiencyOf({ shards: 8, perSecond: 800 }, alone), 1);
  assert.equal(efficiencyOf({ shards: 8, perSecond: 400 }, alone), 0.5);
});

test('two points tell no law', () => {
  assert.equal(fitScaling([alone, { shards: 2, perSecond: 190 }]), undefined);
});
