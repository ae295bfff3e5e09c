import assert from 'node:assert/strict';
import { test } from 'node:test';
import { countRedundancy } from '../src/redundancy.ts';

const topic = (wanted: number, inSync: number, inSyncZones: number) => ({ topic: 't', wanted, inSync, inSyncZones });

test('topics whose in-sync copies lie in one zone are told from those that are only reduced', () => {
  const counts = countRedundancy([
    topic(4, 4, 2),
    // All of one zone, as it was made.
    topic(3, 3, 1),
    topic(1, 1, 1),
    // A broker of each zone is away, or one.
    topic(4, 2, 2),
    topic(4, 3, 2),
    // A zone is away.
    topic(4, 2, 1),
    topic(4, 1, 1),
    topic(4, 0, 0),
  ]);
  assert.deepEqual(counts, { whole: 3, reduced: 2, one_zone: 2, none: 1 });
});
