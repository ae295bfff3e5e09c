import { ChappeError } from '@chappe/errors/chappe-error';
import { LogError } from '@chappe/log/log-error';
import type { AppendResult } from '@chappe/log/log';
import { endOfNumbers, phoneNumberFromDigits } from '@chappe/numbers/phone-number';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recut } from '../src/routing-table.ts';
import { halves } from './halves.ts';
import { formatShardInfo, type RangeLoad } from '../src/shard-info.ts';
import { away, openBench, rangeOf, send, turns, type Bench } from './appender-bench.ts';

const anna = phoneNumberFromDigits('33611111111');
const bert = phoneNumberFromDigits('33622222222');
const carl = phoneNumberFromDigits('4915112345678');
const whole = rangeOf('whole', '', endOfNumbers);

test('commands go to the range of their contact, with the offset and time of the log', async () => {
  const [left, right] = halves(whole, '4', ['left', 'right']);
  await using bench = await openBench([left, right]);
  const appended = await Promise.all([send(bench, anna, 'a'), send(bench, carl, 'b'), send(bench, bert, 'c')]);
  assert.deepEqual(
    appended.map(({ rangeId, offset }) => [rangeId, offset]),
    [
      ['left', 0],
      ['right', 0],
      ['left', 1],
    ],
  );
  assert.ok(appended.every(({ appendTimeMs }) => appendTimeMs > 0));
  assert.deepEqual(await bench.ids('left'), ['a', 'c']);
});

test('what one turn hands over goes together, and what gathers during an append goes with the next', async () => {
  await using bench = await openBench([whole]);
  const gate = Promise.withResolvers<undefined>();
  bench.faults.push(() => gate.promise);
  const first = [send(bench, anna, 'a'), send(bench, bert, 'b')];
  await turns();
  const later = ['c', 'd', 'e'].map((id) => send(bench, anna, id));
  await turns();
  assert.deepEqual(bench.batches, [2]);
  gate.resolve(undefined);
  await Promise.all([...first, ...later]);
  assert.deepEqual(bench.batches, [2, 3]);
  assert.deepEqual(await bench.ids('whole'), ['a', 'b', 'c', 'd', 'e']);
});

test('a batch is cut at its count and at its bytes', async () => {
  await using bench = await openBench([whole], { batchRecordsMax: 3, batchBytesMax: 100 });
  await Promise.all(['a', 'b', 'c', 'd'].map((id) => send(bench, anna, id)));
  await Promise.all([60, 30, 30].map((bytes, index) => send(bench, anna, String(index), bytes)));
  assert.deepEqual(bench.batches, [3, 1, 2, 1]);
  await assert.rejects(send(bench, anna, 'big', 101), refused('invalidRequest'));
});

test('ORDER: an append of unknown outcome is repeated before anything else goes', async () => {
  await using bench = await openBench([whole]);
  bench.faults.push(
    async () => away(),
    async (append) => {
      // It was written, and the answer was lost.
      await bench.log.append([append]);
      return away();
    },
  );
  const first = send(bench, anna, 'a');
  await turns();
  const second = send(bench, anna, 'b');
  await Promise.all([first, second]);
  assert.deepEqual(await bench.ids('whole'), ['a', 'a', 'b']);
});

test('ORDER: when the log stays away, the batch and all behind it are refused, other ranges are not', async () => {
  const [left, right] = halves(whole, '4', ['left', 'right']);
  await using bench = await openBench([left, right], { unavailableMs: 0 });
  const gate = Promise.withResolvers<AppendResult>();
  bench.faults.push(() => gate.promise);
  const refusals = [assert.rejects(send(bench, anna, 'a'), refused('rangeUnavailable', 1_000))];
  await turns();
  refusals.push(assert.rejects(send(bench, bert, 'b'), refused('rangeUnavailable', 1_000)));
  await send(bench, carl, 'c');
  gate.resolve(away());
  await Promise.all(refusals);
  assert.equal(bench.appender.pending(), 0);
  await send(bench, anna, 'd');
  assert.deepEqual(await bench.ids('left'), ['d']);
});

test('ORDER: what a sealed topic refuses goes to the new ranges in order, with all behind it', async () => {
  await using bench = await openBench([whole]);
  await send(bench, anna, 'a-0');
  const [left, right] = halves(whole, '3362', ['left', 'right']);
  await bench.log.seal(['range-whole']);
  const pending = [send(bench, anna, 'a-1'), send(bench, bert, 'b-1'), send(bench, anna, 'a-2')];
  await turns();
  pending.push(send(bench, bert, 'b-2'));
  await bench.route({ ...whole, state: 'draining' }, left, right);
  pending.push(send(bench, anna, 'a-3'), send(bench, bert, 'b-3'));
  const appended = await Promise.all(pending);
  assert.deepEqual(
    appended.map(({ rangeId }) => rangeId),
    ['left', 'right', 'left', 'right', 'left', 'right'],
  );
  assert.deepEqual(await bench.ids('whole'), ['a-0']);
  assert.deepEqual(await bench.ids('left'), ['a-1', 'a-2', 'a-3']);
  assert.deepEqual(await bench.ids('right'), ['b-1', 'b-2', 'b-3']);
});

test('ORDER: a newer table lets nothing pass an append that is still in flight to the old topic', async () => {
  await using bench = await openBench([whole]);
  const gate = Promise.withResolvers<undefined>();
  bench.faults.push(() => gate.promise);
  const first = send(bench, anna, 'a-1');
  await turns();
  // The old topic is sealed and the new table is known before the append arrives there.
  await bench.log.seal(['range-whole']);
  const children = halves(whole, '3362', ['left', 'right']);
  await bench.route({ ...whole, state: 'draining' }, ...children);
  const second = send(bench, anna, 'a-2');
  const other = send(bench, bert, 'b-1');
  await turns();
  assert.deepEqual(await bench.ids('left'), []);
  // And the table changes once more meanwhile.
  await bench.route(
    { ...whole, state: 'draining' },
    ...children.map((range) => ({ ...range, state: 'draining' as const })),
    ...recut(children, [], ['merged']),
  );
  const third = send(bench, anna, 'a-3');
  gate.resolve(undefined);
  await Promise.all([first, second, third, other]);
  assert.deepEqual(await bench.ids('merged'), ['a-1', 'a-2', 'b-1', 'a-3']);
});

test('without a newer table the commands of a sealed range are refused after a while', async () => {
  await using bench = await openBench([whole], { newerTableMs: 0 });
  await bench.log.seal(['range-whole']);
  const refusals = ['a', 'b'].map((id) => assert.rejects(send(bench, anna, id), refused('rangeUnavailable', 1_000)));
  await Promise.all(refusals);
});

test('BOUND: a full lane refuses, and takes again when it has room', async () => {
  await using bench = await openBench([whole], { queueRecordsMax: 2 });
  const gate = Promise.withResolvers<undefined>();
  bench.faults.push(() => gate.promise);
  const taken = [send(bench, anna, 'a'), send(bench, anna, 'b')];
  await assert.rejects(send(bench, anna, 'c'), refused('overloaded', 1_000));
  gate.resolve(undefined);
  await Promise.all(taken);
  await send(bench, anna, 'd');
  assert.deepEqual(await bench.ids('whole'), ['a', 'b', 'd']);
});

test('ORDER: a lane that is full in bytes is full for a small command as well', async () => {
  await using bench = await openBench([whole], { queueBytesMax: 100 });
  const gate = Promise.withResolvers<undefined>();
  bench.faults.push(() => gate.promise);
  const taken = [send(bench, anna, 'a', 60), send(bench, anna, 'b', 60)];
  await assert.rejects(send(bench, anna, 'large', 60), refused('overloaded', 1_000));
  await assert.rejects(send(bench, anna, 'small', 1), refused('overloaded', 1_000));
  gate.resolve(undefined);
  await Promise.all(taken);
});

test('BOUND: a business with more than its share of a range is refused there, and all others are taken', async () => {
  await using bench = await openBench([{ ...whole, owner: 's-1' }]);
  const append = (id: string, business?: string) =>
    bench.appender.append(
      anna,
      { key: anna, headers: { kind: 'send', id, version: 1 }, value: new Uint8Array(1) },
      business,
    );
  await report(bench, 0, { aboveShare: ['campaign'] });
  await assert.rejects(append('a', 'campaign'), refused('overloaded', 1_000));
  await append('b', 'small');
  await append('c');
  await report(bench, 1);
  await append('d', 'campaign');
  assert.deepEqual(await bench.ids('whole'), ['b', 'c', 'd']);
});

test('what is done behind the lowest record that is not does not count as lag', async () => {
  const owned = { ...whole, owner: 's-1' };
  await using bench = await openBench([owned]);
  await report(bench, 0, { doneBeyond: 2 });
  for (const id of ['a', 'b', 'c']) await send(bench, anna, id);
  assert.equal(bench.appender.lagOf(owned), 1);
});

test('reports of a shard that are too old say nothing of its lag', async () => {
  const owned = { ...whole, owner: 's-1' };
  for (const [reportAgeMsMax, lag] of [
    [60_000, 3],
    [-1, 0],
  ] as const) {
    await using bench = await openBench([owned], { reportAgeMsMax });
    await report(bench, 0);
    for (const id of ['a', 'b', 'c']) await send(bench, anna, id);
    assert.equal(bench.appender.lagOf(owned), lag);
  }
});

test('of a batch that may be in the log it is not said that nothing was accepted', async () => {
  await using bench = await openBench([whole], { unavailableMs: 0 });
  const gate = Promise.withResolvers<undefined>();
  bench.faults.push(async () => {
    await gate.promise;
    return away();
  });
  const inFlight = send(bench, anna, 'a');
  await turns();
  const waiting = send(bench, anna, 'b');
  gate.resolve(undefined);
  await assert.rejects(inFlight, /not known whether this was accepted. Repeat it with the same idempotency key/);
  await assert.rejects(waiting, /nothing was accepted/);
});

test('BOUND: a range whose owner is too far behind takes nothing more', async () => {
  await using bench = await openBench([{ ...whole, owner: 's-1' }], { lagRecordsMax: 2 });
  await report(bench, 0);
  for (const id of ['a', 'b', 'c']) await send(bench, anna, id);
  await assert.rejects(send(bench, anna, 'd'), refused('overloaded', 1_000));
  await report(bench, 3);
  await send(bench, anna, 'e');
});

test('without a table commands are refused, and so are they once it is disposed, which waits for what it has', async () => {
  await using bench = await openBench([]);
  await assert.rejects(send(bench, anna, 'a'), refused('rangeUnavailable', 1_000));
  await bench.route(whole);
  const pending = send(bench, anna, 'b');
  await bench.appender[Symbol.asyncDispose]();
  assert.equal((await pending).offset, 0);
  await assert.rejects(send(bench, anna, 'c'), refused('notReady'));
});

test('an append that breaks a limit of the log is refused alone', async () => {
  await using bench = await openBench([whole]);
  bench.faults.push(async () => ({ kind: 'failed', error: new LogError('invalid', 'too large') }));
  await assert.rejects(send(bench, anna, 'a'), LogError);
  await send(bench, anna, 'b');
  assert.deepEqual(await bench.ids('whole'), ['b']);
});

function refused(reason: string, retryAfterMs?: number): (error: unknown) => boolean {
  return (error) => error instanceof ChappeError && error.reason === reason && error.retryAfterMs === retryAfterMs;
}

/** What the shard of `whole` says of itself, once the watcher has it. */
async function report(bench: Bench, nextOffset: number, more: Partial<RangeLoad> = {}): Promise<void> {
  const info = {
    id: 's-1',
    instance: 'i',
    address: 'a',
    zone: 'z',
    capacity: 1,
    ranges: 1,
    rate: 0,
    attachedDevices: 0,
    load: { whole: { nextOffset, rate: 0, ...more } },
  };
  await bench.coordination.transact([], [{ kind: 'put', key: 'shards/s-1', value: formatShardInfo(info) }]);
  while (bench.watcher.shards().get('s-1')?.load['whole']?.nextOffset !== nextOffset) await turns();
}
