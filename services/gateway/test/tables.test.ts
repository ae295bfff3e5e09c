/** The gateway's rows on the real store: idempotency keys, events, age. */
import { create } from '@bufbuild/protobuf';
import { BusinessEventSchema, EventFrameSchema, type EventFrame } from '@chappe/proto/internal/events';
import { ChappeError } from '@chappe/errors/chappe-error';
import type { SealKey } from '@chappe/seal/seal';
import { migrate } from '@chappe/store/migrate';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { readEvents, readTimeline, writeEvents } from '../src/event-table.ts';
import { gatewayEvents } from '../src/events.ts';
import { claimRequestKeys, type FindDataKey } from '../src/request-keys.ts';
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

/** The data key of a business and day. */
function dataKeyOf(business: string, day: number): SealKey {
  return { id: `${business}/${day}`, bytes: createHash('sha256').update(`${business}/${day}`).digest() };
}

const findDataKey: FindDataKey = async (business, day) => dataKeyOf(business, day);

test('ONCE: a claimed key keeps its id for the same digest and is reused for another', async () => {
  const claim = (key: string, digest: string, messageId: string) => ({
    business: 'b',
    key,
    digest: Buffer.from(digest),
    dataKey: dataKeyOf('b', 1),
    messageId,
  });
  const keys = Array.from({ length: 120 }, (_, index) => claim(`k${index}`, 'd', `m${index}`));
  const first = await claimRequestKeys(store, findDataKey, keys, 1);
  assert.deepEqual(
    first.map((answer) => answer.kind === 'claimed' && answer.messageId),
    keys.map(({ messageId }) => messageId),
  );
  const again = await claimRequestKeys(
    store,
    findDataKey,
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
    dataKey: dataKeyOf(business, 1),
    messageId: `m-${business}`,
  }));
  assert.deepEqual(
    (await claimRequestKeys(store, findDataKey, claims, 1)).map(({ kind }) => kind),
    ['claimed', 'claimed'],
  );
});

test('ONCE: a key keeps its id on later days, by the data key of its own day', async () => {
  const claim = (key: string, day: number, digest: string) => ({
    business: 'b',
    key,
    digest: Buffer.from(digest),
    dataKey: dataKeyOf('b', day),
    messageId: `${key}-${day}`,
  });
  await claimRequestKeys(store, findDataKey, [claim('day', 1, 'd')], 1);
  const later = [claim('day', 2, 'd'), claim('day', 30, 'other')];
  assert.deepEqual(await claimRequestKeys(store, findDataKey, later, 2), [
    { kind: 'claimed', messageId: 'day-1' },
    { kind: 'reused' },
  ]);
  const away: FindDataKey = () => Promise.reject(new ChappeError('notReady', 'crypto is away'));
  const [failed, fresh] = await claimRequestKeys(store, away, [claim('day', 2, 'd'), claim('new-day', 2, 'd')], 3);
  assert.equal(failed?.kind, 'failed');
  assert.deepEqual(fresh, { kind: 'claimed', messageId: 'new-day-2' });
});

test('SECRET: who has the table cannot confirm a guess at a content', async () => {
  const digest = createHash('sha256').update('See you at 8').digest();
  const claims = [1, 2].map((day) => ({
    business: 'b',
    key: `guess-${day}`,
    digest,
    dataKey: dataKeyOf('b', day),
    messageId: `m-${day}`,
  }));
  await claimRequestKeys(store, findDataKey, claims, 1);
  const rows = await store.query("SELECT digest FROM request_keys WHERE request_key IN ('guess-1', 'guess-2')");
  const kept = rows.map((row) => Buffer.from(row['digest'] as Uint8Array).toString('hex'));
  assert.equal(new Set(kept).size, 2);
  assert.ok(!kept.includes(digest.toString('hex')));
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
  const events = gatewayEvents(openTelemetry({ service: 'gateway', level: 'silent' }), []);
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

test('a timeline has once what was told again after a database was restored', async () => {
  const told = (id: string, state: string) =>
    create(BusinessEventSchema, { business: 'told', id, kind: { case: 'state', value: { messageId: 'm', state } } });
  for (const events of [[told('e1', 'accepted')], [told('e1', 'accepted'), told('e2', 'sent')]])
    await store.transaction((tx) => writeEvents(tx, [create(EventFrameSchema, { range: 'r', events })]));
  const timeline = await readTimeline(store, 'told', 'm', 10);
  assert.deepEqual(
    timeline.map(({ no, event }) => [no, event.id]),
    [
      [1, 'e1'],
      [3, 'e2'],
    ],
  );
});
