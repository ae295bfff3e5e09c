import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Log } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import { CryptoService } from '@chappe/proto/internal/crypto_service';
import { PreKeyService } from '@chappe/proto/internal/pre_key_service';
import { PriceBooks } from '@chappe/rating/price-book';
import { Channel } from '@chappe/rpc/client';
import { openSqliteStore } from '@chappe/store/sqlite-store';
import type { Store } from '@chappe/store/store';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { isDone } from '../src/done-beyond.ts';
import { openSenderEvents } from '../src/events.ts';
import type { Progress } from '../src/fence.ts';
import { RangeWorker } from '../src/range-worker.ts';
import { until } from './attach-of.ts';
import { noGauges } from './no-gauges.ts';
import { claim, migrateSender, range } from './one-range.ts';
import { contactOf, recordOf, type Written } from './range-log.ts';

const limits = { batchRecordsMax: 10, readAheadRecordsMax: 100 };
const free = { marketing: 0, utility: 0, authentication: 0, service: 0 };
const book = { version: 'free', effectiveFromMs: 0, currency: 'EUR', source: 'a test', default: free, countries: {} };

interface Place {
  readonly store: Store;
  readonly log: Log;
  readonly channel: Channel;
}

async function openPlace(t: TestContext): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-turns-'));
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite') });
  const log = await openSqliteLog({ path: join(folder, 'log.sqlite') });
  // Nobody is there: whoever has no opt-in gets nothing, which needs neither crypto nor prekeys.
  const channel = new Channel({ address: '127.0.0.1:1' });
  await migrateSender(store);
  await log.createTopic(range.topic);
  await log.createTopic('events-0');
  t.after(async () => {
    channel[Symbol.dispose]();
    await log[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });
  return { store, log, channel };
}

async function append(log: Log, all: readonly Written[]): Promise<void> {
  const end = await log.end(range.topic);
  const records = all.map((written, place) => recordOf(written, end + place));
  const [result] = await log.append([{ topic: range.topic, records }]);
  assert.equal(result?.kind, 'appended');
}

/** @param onTurn after each commit: how many commands it had */
async function work(place: Place, progress: Progress, onTurn: (worker: RangeWorker, count: number) => void) {
  const { store, log, channel } = place;
  const { log: logger, metrics } = openTelemetry({ service: 'test', level: 'fatal' });
  const events = openSenderEvents('s1', logger, metrics, noGauges);
  const worker: RangeWorker = new RangeWorker(range, progress, {
    log,
    store,
    crypto: channel.client(CryptoService),
    preKeys: channel.client(PreKeyService),
    books: () => PriceBooks.of([book]),
    events: {
      ...events,
      turnCommitted: (id, count, ...rest) => {
        events.turnCommitted(id, count, ...rest);
        onTurn(worker, count);
      },
    },
    logger,
    eventBuckets: 1,
    cacheBytesMax: () => 2 ** 20,
    readAheadBytesMax: () => 2 ** 20,
    limits,
    now: Date.now,
  });
  const last = progress.lastOffset < 0 ? undefined : { offset: progress.lastOffset, id: progress.lastId };
  const ended = worker.run(await log.openReader(range.topic, progress.nextOffset, last));
  return { worker, ended, metrics };
}

const campaign = (count: number): Written[] =>
  Array.from({ length: count }, (_, contact) => ({ contact, business: 'campaign' }));

test('BOUND: one message of another business is done in the next turn, however many of a campaign wait in front of it', async (t) => {
  const place = await openPlace(t);
  await append(place.log, [...campaign(95), { contact: 500, business: 'small' }, ...campaign(300)]);
  const small = phoneNumberFromDigits(contactOf(500));
  let turns = 0;
  let after: readonly number[] | undefined;
  const { worker } = await work(place, await claim(place.store, 1, 'one'), (working) => {
    turns += 1;
    if (after === undefined && working.hasDone(small, 96)) after = [turns, working.nextOffset];
  });
  await until(() => worker.nextOffset === 396);
  await worker.stop();
  const [turn = Infinity, nextOffset = Infinity] = after ?? [];
  assert.ok(turn <= 2 && nextOffset <= 20, `in turn ${turn}, when ${nextOffset} were done in front of it`);
});

test('ONCE: a worker that takes over in the middle does what is left, and nothing that was done behind it', async (t) => {
  const place = await openPlace(t);
  const businesses = ['a', 'b', 'c'];
  const all = [
    ...campaign(40),
    ...Array.from({ length: 60 }, (_, at): Written => ({
      contact: 100 + (at % 7),
      business: businesses[at % 3] ?? '',
    })),
  ];
  await append(place.log, all);
  const done: number[] = [];
  let turns = 0;
  const first = await work(place, await claim(place.store, 1, 'one'), (working, count) => {
    turns += 1;
    done.push(count);
    if (turns === 3) void working.stop();
  });
  assert.deepEqual(await first.ended, { kind: 'stopped' });
  const progress = await claim(place.store, 2, 'two');
  const isApart = all.some((_, offset) => offset > progress.nextOffset && isDone(progress, offset));
  assert.ok(isApart, 'something is done behind something that is not');
  const second = await work(place, progress, (_, count) => done.push(count));
  await until(() => second.worker.nextOffset === all.length);
  await second.worker.stop();
  assert.equal(
    done.reduce((sum, count) => sum + count, 0),
    all.length,
  );
  const dropped = await second.metrics.getSingleMetric('chappe_sender_dropped_total')?.get();
  assert.deepEqual(dropped?.values, []);
  const [row] = await place.store.query('SELECT COUNT(*) AS count FROM messages');
  assert.equal(row?.['count'], all.length);
});

test('a log that lost what was done behind its end is not read on, though the lowest that is not done is there', async (t) => {
  const { log, store } = await openPlace(t);
  await append(log, campaign(5));
  const progress = { ...(await claim(store, 1, 'one')), nextOffset: 3, lastOffset: 7, lastId: 'm7' };
  const last = { offset: progress.lastOffset, id: progress.lastId };
  await assert.rejects(log.openReader(range.topic, progress.nextOffset, last), { kind: 'gap' });
});
