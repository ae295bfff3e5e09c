/** Conformance of the log: appending, offsets, append times and limits. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import {
  append,
  appendFailure,
  failureOf,
  makeRecord,
  makeRecords,
  makeTopic,
  readAll,
} from './conformance-harness.ts';
import { idsOf, uniqueTopic } from './conformance-harness.ts';
import { appendBytesMax, appendRecordsMax } from './limits.ts';

export function checkAppends(check: Check): void {
  check('offsets are dense from 0', async ({ log }) => {
    const topic = await makeTopic(log);
    let expected = 0;
    for (const count of [1, 3, 100, 1, 7]) {
      const { firstOffset } = await append(log, topic, makeRecords(count));
      assert.equal(firstOffset, expected);
      expected += count;
      assert.equal(await log.end(topic), expected);
    }
    assert.deepEqual(
      (await readAll(log, topic)).map(({ offset }) => offset),
      Array.from({ length: expected }, (_, offset) => offset),
    );
  });

  check('a record comes back as it was appended', async ({ log }) => {
    const topic = await makeTopic(log);
    const records = [
      { key: '33612345678', headers: { kind: 'send', id: 'a', version: 1 }, value: Uint8Array.of(0, 255, 10, 13) },
      { key: 'clé 🐄', headers: { kind: 'réponse', id: '', version: 0 }, value: new Uint8Array(0) },
    ];
    const { firstOffset, appendTimeMs } = await append(log, topic, records);
    const read = await readAll(log, topic);
    assert.deepEqual(
      read.map((record) => ({ ...record, value: [...record.value] })),
      records.map((record, index) => ({
        ...record,
        offset: firstOffset + index,
        appendTimeMs,
        value: [...record.value],
      })),
    );
  });

  check('append times are those of the results and never decrease', async ({ log }) => {
    const topic = await makeTopic(log);
    const promised: number[] = [];
    for (let count = 0; count < 20; count += 1) promised.push((await append(log, topic, makeRecords(1))).appendTimeMs);
    const stamped = (await readAll(log, topic)).map(({ appendTimeMs }) => appendTimeMs);
    assert.deepEqual(stamped, promised);
    assert.deepEqual(
      stamped,
      stamped.toSorted((a, b) => a - b),
    );
    assert.ok(stamped.every((timeMs) => Number.isInteger(timeMs)));
  });

  check('an append that resolved before another was called comes before it', async ({ log }) => {
    const topic = await makeTopic(log);
    for (const record of makeRecords(30)) await append(log, topic, [record]);
    assert.deepEqual(
      idsOf(await readAll(log, topic)),
      makeRecords(30).map(({ headers }) => headers.id),
    );
  });

  check('concurrent appends each have their records side by side where their result says', async ({ log }) => {
    const topic = await makeTopic(log);
    const batches = Array.from({ length: 40 }, (_, index) => makeRecords(1 + (index % 5), index * 10));
    const results = await Promise.all(batches.map((records) => append(log, topic, records)));
    const ids = idsOf(await readAll(log, topic));
    assert.equal(ids.length, batches.flat().length);
    batches.forEach((records, index) => {
      const firstOffset = results[index]?.firstOffset ?? -1;
      assert.deepEqual(
        ids.slice(firstOffset, firstOffset + records.length),
        records.map(({ headers }) => headers.id),
      );
    });
  });

  check('one call appends to several topics, with one result for each in order', async ({ log }) => {
    const [first, second] = [await makeTopic(log), await makeTopic(log)];
    await append(log, second, makeRecords(2));
    const results = await log.append([
      { topic: first, records: makeRecords(1) },
      { topic: second, records: makeRecords(1, 2) },
      { topic: first, records: makeRecords(1, 1) },
    ]);
    assert.deepEqual(
      results.map((result) => result.kind === 'appended' && result.firstOffset),
      [0, 2, 1],
    );
    assert.deepEqual(idsOf(await readAll(log, first)), ['0', '1']);
    assert.deepEqual(idsOf(await readAll(log, second)), ['0', '1', '2']);
  });

  check("one topic's failure does not touch the others of the call", async ({ log }) => {
    const [good, sealed] = [await makeTopic(log), await makeTopic(log)];
    await log.seal([sealed]);
    const [first, missing, closed, empty, last] = await log.append([
      { topic: good, records: makeRecords(1) },
      { topic: uniqueTopic(), records: makeRecords(1) },
      { topic: sealed, records: makeRecords(1) },
      { topic: good, records: [] },
      { topic: good, records: makeRecords(1, 1) },
    ]);
    assert.equal(first?.kind, 'appended');
    assert.equal(failureOf(missing), 'no_topic');
    assert.equal(failureOf(closed), 'sealed');
    assert.equal(failureOf(empty), 'invalid');
    assert.equal(last?.kind, 'appended');
    assert.deepEqual(idsOf(await readAll(log, good)), ['0', '1']);
  });

  check('an append without records or beyond a limit is invalid and writes nothing', async ({ log }) => {
    const topic = await makeTopic(log);
    const tooLong = [makeRecord('a', new Uint8Array(appendBytesMax)), makeRecord('b', new Uint8Array(1))];
    assert.equal(await appendFailure(log, topic, []), 'invalid');
    assert.equal(await appendFailure(log, topic, makeRecords(appendRecordsMax + 1)), 'invalid');
    assert.equal(await appendFailure(log, topic, tooLong), 'invalid');
    assert.equal(await log.end(topic), 0);
  });

  check('an append at the limits goes through', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(appendRecordsMax));
    await append(log, topic, [makeRecord('a', new Uint8Array(appendBytesMax))]);
    assert.equal(await log.end(topic), appendRecordsMax + 1);
  });

  check('many large appends at once all go through', async ({ log }) => {
    const topic = await makeTopic(log);
    const large = [makeRecord('a', new Uint8Array(appendBytesMax))];
    await Promise.all(Array.from({ length: 6 }, () => append(log, topic, large)));
    assert.equal(await log.end(topic), 6);
  });
}
