import assert from 'node:assert/strict';
import test from 'node:test';
import { create } from '@bufbuild/protobuf';
import { BusinessEventSchema } from '@chappe/proto/internal/events';
import fc from 'fast-check';
import { EventFeed, type EventListener } from '../src/event-feed.ts';
import type { StoredEvent } from '../src/event-table.ts';
import { eventsHeldMax } from '../src/limits.ts';

const air = 'air';

function eventsFrom(no: number, count: number): StoredEvent[] {
  return Array.from({ length: count }, (_, index) => ({ no: no + index, event: create(BusinessEventSchema) }));
}

/** As a subscriber reads: from the feed if it has them, else from the table. */
function read(listener: EventListener, table: readonly StoredEvent[], after: number, limit: number): number[] {
  const stored = listener.take(after, limit) ?? table.slice(after, after + limit);
  return stored.map(({ no }) => no);
}

test('a subscriber sees every event once and in order, whichever gateway wrote it and however slowly it reads', () => {
  const step = fc.oneof(
    // Of this gateway, of another one, which tells nobody, or a read.
    fc.record({ kind: fc.constantFrom('here', 'elsewhere', 'read'), count: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ kind: fc.constant('here'), count: fc.integer({ min: eventsHeldMax - 3, max: eventsHeldMax + 3 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const feed = new EventFeed();
      using listener = feed.listen(air);
      const table: StoredEvent[] = [];
      const seen: number[] = [];
      for (const { kind, count } of steps) {
        if (kind === 'read') {
          seen.push(...read(listener, table, seen.length, count));
          continue;
        }
        const events = eventsFrom(table.length + 1, count);
        table.push(...events);
        if (kind === 'here') feed.committed(new Map([[air, events]]));
      }
      while (seen.length < table.length) seen.push(...read(listener, table, seen.length, 500));
      assert.deepEqual(
        seen,
        table.map(({ no }) => no),
      );
    }),
    { numRuns: 200 },
  );
});

test('who keeps up needs no table, who does not holds nothing, and nobody gets what is not theirs', async () => {
  const feed = new EventFeed();
  using listener = feed.listen(air);
  using other = feed.listen('rail');
  const waiting = listener.wait(60_000, new AbortController().signal);
  feed.committed(new Map([[air, eventsFrom(8, 3)]]));
  await waiting;
  assert.deepEqual(
    listener.take(7, 2)?.map(({ no }) => no),
    [8, 9],
  );
  assert.deepEqual(
    listener.take(9, 2)?.map(({ no }) => no),
    [10],
  );
  assert.equal(other.take(7, 2), undefined);
  feed.committed(new Map([[air, eventsFrom(11, eventsHeldMax + 1)]]));
  assert.equal(listener.take(10, 1), undefined);
});
