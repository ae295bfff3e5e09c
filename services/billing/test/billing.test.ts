import { ChappeError } from '@chappe/errors/chappe-error';
import { claimBucket } from '@chappe/event-consumer/event-progress';
import { loadPriceBooks } from '@chappe/rating/publish';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endedBookingsKeptMs } from '../src/limits.ts';
import { purgeBookings } from '../src/purge.ts';
import { openBench, type Instance } from './bench.ts';

test('a delivered message has one entry, with the price that was decided', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  await bench.happened({ messageId: 'm-1', state: 'accepted' }, { messageId: 'm-1', state: 'sent' });
  await bench.settled();
  assert.deepEqual(await entries(one), []);
  assert.equal(await reserved(one), 10_000n);
  await bench.happened({ messageId: 'm-1', state: 'delivered', timeMs: 1_790_000_000_123 });
  await bench.settled();
  assert.equal(await reserved(one), 0n);
  const { entries: found } = await one.client.listEntries({ business: 'b-1' });
  const [entry] = found;
  assert.equal(found.length, 1);
  assert.deepEqual(
    [
      entry?.no,
      entry?.messageId,
      entry?.country,
      entry?.category,
      entry?.windowOpen,
      entry?.amount?.micros,
      entry?.priceBook,
    ],
    [1n, 'm-1', 'FR', 'utility', false, 10_000n, '2026-07-01'],
  );
  assert.deepEqual([entry?.time?.seconds, entry?.time?.nanos], [1_790_000_000n, 123_000_000]);
  assert.deepEqual(one.billing.notReady(), {});
});

test('ONCE: a message is charged once although its events repeat', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  for (let repeat = 0; repeat < 3; repeat += 1) {
    await bench.happened(
      { messageId: 'm-1', state: 'accepted' },
      { messageId: 'm-1', state: 'delivered' },
      { messageId: 'm-1', state: 'delivered' },
    );
    await bench.happened({ messageId: 'm-1', state: 'read' });
  }
  await bench.settled();
  assert.deepEqual(await entries(one), ['1 m-1 10000']);
});

test('what failed, expired or was cancelled is not charged, and a receipt after it changes nothing', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  for (const state of ['failed', 'expired', 'cancelled'] as const) {
    await bench.happened({ messageId: state, state: 'accepted' }, { messageId: state, state });
    await bench.happened({ messageId: state, state: 'accepted' }, { messageId: state, state: 'delivered' });
  }
  await bench.settled();
  assert.deepEqual(await entries(one), []);
  assert.equal(await reserved(one), 0n);
});

test('FENCE: a second instance takes over, and nothing is booked twice', async () => {
  await using bench = await openBench();
  const one = await bench.start('one');
  await using two = await bench.start('two');
  const messages = Array.from({ length: 40 }, (_, index) => `m-${index}`);
  for (const [index, messageId] of messages.entries()) {
    await bench.happened({ messageId, state: 'accepted' }, { messageId, state: 'delivered' });
    // A rival without a lease claims the row in between, and the first one goes away halfway.
    if (index === 10) await claimBucket(bench.store, 'billing', 0, 'rival');
    if (index === 20) await one[Symbol.asyncDispose]();
  }
  await bench.settled();
  assert.deepEqual(
    await entries(two),
    messages.map((messageId, index) => `${index + 1} ${messageId} 10000`),
  );
});

test('after a restart billing goes on where it was', async () => {
  await using bench = await openBench();
  const one = await bench.start('one');
  await bench.happened({ messageId: 'm-1', state: 'accepted' }, { messageId: 'm-1', state: 'delivered' });
  await bench.settled();
  await one[Symbol.asyncDispose]();
  await bench.happened({ messageId: 'm-2', state: 'accepted' }, { messageId: 'm-2', state: 'delivered' });
  await using again = await bench.start('again');
  await bench.settled();
  assert.deepEqual(await entries(again), ['1 m-1 10000', '2 m-2 10000']);
});

test('a statement is the sum of the ledger, free messages counted apart', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  const prices = [0, 10_000, 25_000];
  for (let index = 0; index < 60; index += 1) {
    const country = ['FR', 'DE', 'IN', 'BR'][index % 4] ?? '';
    const micros = prices[index % 3] ?? 0;
    const fact = { messageId: `m-${index}`, country, micros, timeMs: 1_000 + index };
    await bench.happened({ ...fact, state: 'accepted' }, { ...fact, state: index % 5 === 0 ? 'failed' : 'delivered' });
  }
  await bench.settled();
  const { entries: all } = await one.client.listEntries({ business: 'b-1', limit: 1_000 });
  assert.equal(all.length, 48);
  for (const [fromMs, toMs] of [
    [0n, 0n],
    [1_010n, 1_040n],
    [1_040n, 0n],
  ] as const) {
    const { statement } = await one.client.sumStatement({ business: 'b-1', fromMs, toMs });
    const inside = all.filter(({ time }) => {
      const ms = BigInt(time?.nanos ?? 0) / 1_000_000n + (time?.seconds ?? 0n) * 1_000n;
      return ms >= fromMs && (toMs === 0n || ms < toMs);
    });
    const sum = inside.reduce((total, { amount }) => total + (amount?.micros ?? 0n), 0n);
    assert.equal(statement?.total?.micros, sum);
    assert.equal(statement?.total?.currency, 'USD');
    const lines = statement?.lines ?? [];
    assert.equal(
      lines.reduce((total, { amount }) => total + (amount?.micros ?? 0n), 0n),
      sum,
    );
    const free = inside.filter(({ amount }) => amount?.micros === 0n).length;
    assert.equal(Number(lines.reduce((total, line) => total + line.free, 0n)), free);
    assert.equal(Number(lines.reduce((total, line) => total + line.charged, 0n)), inside.length - free);
  }
});

test('TENANT: one business sees nothing of another, not even in its numbers or when ids are the same', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  await bench.happened(
    { business: 'b-1', messageId: 'm-1', state: 'accepted' },
    { business: 'b-2', messageId: 'm-1', state: 'accepted', micros: 20_000 },
    { business: 'b-1', messageId: 'm-1', state: 'delivered' },
    { business: 'b-2', messageId: 'm-1', state: 'delivered', micros: 20_000 },
    { business: 'b-2', messageId: 'm-2', state: 'delivered', micros: 20_000 },
    { business: 'b-1', messageId: 'm-3', state: 'delivered' },
  );
  await bench.settled();
  assert.deepEqual(await entries(one, 'b-1'), ['1 m-1 10000', '2 m-3 10000']);
  assert.deepEqual(await entries(one, 'b-2'), ['1 m-1 20000', '2 m-2 20000']);
  assert.deepEqual(await entries(one, 'b-3'), []);
  const { statement } = await one.client.sumStatement({ business: 'b-3' });
  assert.deepEqual([statement?.lines.length, statement?.total?.micros, statement?.reserved?.micros], [0, 0n, 0n]);
});

test('the ledger is read in pages, and calls beyond the limits are refused', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  const facts = Array.from({ length: 250 }, (_, index) => ({ messageId: `m-${index}`, state: 'delivered' as const }));
  await bench.happened(...facts);
  await bench.settled();
  const first = await one.client.listEntries({ business: 'b-1' });
  assert.deepEqual([first.entries.length, first.entries.at(-1)?.no], [100, 100n]);
  const rest = await one.client.listEntries({ business: 'b-1', after: 100n, limit: 1_000 });
  assert.deepEqual([rest.entries.length, rest.entries.at(-1)?.no], [150, 250n]);
  await assert.rejects(one.client.listEntries({ business: 'b-1', limit: 1_001 }), refused('parameterInvalid'));
  await assert.rejects(one.client.listEntries({}), refused('parameterMissing'));
  await assert.rejects(one.client.sumStatement({}), refused('parameterMissing'));
});

test('price books are published at the start, and a changed one stops it', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  const books = await loadPriceBooks(bench.coordination);
  assert.equal(books.all.length, 2);
  const key = 'price-books/2026-07-01';
  await bench.coordination.transact([], [{ kind: 'put', key, value: '{}' }]);
  await assert.rejects(bench.start('two'), refused('alreadyExists'));
  assert.notEqual(one.billing.address, '');
});

test('ended bookings are forgotten by age; open ones and the ledger are not', async () => {
  await using bench = await openBench();
  await using one = await bench.start('one');
  await bench.happened(
    { messageId: 'm-1', state: 'accepted' },
    { messageId: 'm-2', state: 'delivered' },
    { messageId: 'm-3', state: 'failed' },
  );
  await bench.settled();
  const { signal } = new AbortController();
  assert.equal(await purgeBookings(bench.store, 1_000 + endedBookingsKeptMs, signal), 0);
  await bench.store.transaction((tx) => tx.run('UPDATE bookings SET time_ms = 999'));
  assert.equal(await purgeBookings(bench.store, 1_000 + endedBookingsKeptMs, signal), 2);
  assert.deepEqual(await entries(one), ['1 m-2 10000']);
  assert.equal(await reserved(one), 10_000n);
});

async function entries({ client }: Instance, business = 'b-1'): Promise<string[]> {
  const { entries: found } = await client.listEntries({ business });
  return found.map(({ no, messageId, amount }) => `${no} ${messageId} ${amount?.micros}`);
}

async function reserved({ client }: Instance): Promise<bigint | undefined> {
  return (await client.sumStatement({ business: 'b-1' })).statement?.reserved?.micros;
}

function refused(reason: string): (error: unknown) => boolean {
  return (error) => error instanceof ChappeError && error.reason === reason;
}
