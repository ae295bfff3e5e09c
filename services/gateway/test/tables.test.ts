/** The gateway's rows on the real store: idempotency keys, events, age. */
import { create } from '@bufbuild/protobuf';
import { BusinessEventSchema, EventFrameSchema, type EventFrame } from '@chappe/proto/internal/events';
import { migrate } from '@chappe/store/migrate';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { readEvents, writeEvents } from '../src/event-table.ts';
import { gatewayEvents } from '../src/events.ts';
import { claimRequestKeys } from '../src/request-keys.ts';
import { expireRows } from '../src/retention.ts';

const dayMs = 86_400_000;
let folder: string;
let store: Store;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'chappe-gateway-'));
  store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  await migrate(store, { service: 'gateway', directory: new URL('../migrations', import.meta.url) });
});
after(async () => {
  await store[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

function frame(events: readonly [business: string, id: string][], timeMs = 1): EventFrame {
  return create(EventFrameSchema, {
    range: 'r',
    events: events.map(([business, id]) => create(BusinessEventSchema, { business, id, timeMs: BigInt(timeMs) })),
  });
}

test('ONCE: a claimed key keeps its id for the same digest and is reused for another', async () => {
  const claim = (key: string, digest: string, messageId: string) => ({
    business: 'b',
    key,
    digest: Buffer.from(digest),
    messageId,
  });
  const keys = Array.from({ length: 120 }, (_, index) => claim(`k${index}`, 'd', `m${index}`));
  const first = await claimRequestKeys(store, keys, 1);
  assert.deepEqual(
    first.map((answer) => answer.kind === 'claimed' && answer.messageId),
    keys.map(({ messageId }) => messageId),
  );
  const again = await claimRequestKeys(
    store,
    [claim('k7', 'd', 'new'), claim('k119', 'other', 'new'), claim('fresh', 'd', 'm-fresh')],
    2,
  );
  assert.deepEqual(again, [
    { kind: 'claimed', messageId: 'm7' },
    { kind: 'reused' },
    { kind: 'claimed', messageId: 'm-fresh' },
  ]);
});

test('TENANT: the same key of two businesses is two keys', async () => {
  const claims = ['x', 'y'].map((business) => ({
    business,
    key: 'same',
    digest: Buffer.from(business),
    messageId: `m-${business}`,
  }));
  assert.deepEqual(
    (await claimRequestKeys(store, claims, 1)).map(({ kind }) => kind),
    ['claimed', 'claimed'],
  );
});

test('events are numbered from 1 without a gap per business, however they come', async () => {
  const event = fc.tuple(fc.constantFrom('p', 'q'), fc.nat(30).map(String));
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(event, { maxLength: 10 }), { maxLength: 10 }), async (frames) => {
      run += 1;
      const expected = new Map<string, string[]>();
      for (const events of frames) {
        const named = events.map(([business, id]): [string, string] => [`${business}-${run}`, id]);
        for (const [business, id] of named) {
          const ids = expected.get(business) ?? [];
          ids.push(id);
          expected.set(business, ids);
        }
        await store.transaction((tx) => writeEvents(tx, [frame(named)]));
      }
      for (const [business, ids] of expected) {
        const stored = await readEvents(store, business, 0, 1_000);
        assert.deepEqual(
          stored.map(({ no, event: { id } }) => [no, id]),
          ids.map((id, index) => [index + 1, id]),
        );
      }
    }),
    { numRuns: 25 },
  );
});

test('what is older than 30 days goes, and numbers are never used again', async () => {
  const events = gatewayEvents(openTelemetry({ service: 'gateway', level: 'silent' }));
  await store.transaction((tx) =>
    writeEvents(tx, [
      frame(
        [
          ['old', '1'],
          ['old', '2'],
        ],
        dayMs,
      ),
      frame([['old', '3']], 32 * dayMs),
    ]),
  );
  await expireRows(store, 40 * dayMs, events);
  assert.deepEqual(
    (await readEvents(store, 'old', 0, 10)).map(({ no }) => no),
    [3],
  );
  assert.deepEqual(await store.query('SELECT 1 FROM request_keys WHERE created_at_ms < ?', [10 * dayMs]), []);
  await store.transaction((tx) => writeEvents(tx, [frame([['old', '4']], 33 * dayMs)]));
  assert.deepEqual(
    (await readEvents(store, 'old', 0, 10)).map(({ no }) => no),
    [3, 4],
  );
});
