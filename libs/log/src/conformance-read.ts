/** Conformance of the log: readers, their limits, waiting and aborting, and re-reading. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import {
  append,
  idsOf,
  makeRecord,
  makeRecords,
  makeTopic,
  never,
  noLimits,
  readAll,
  rejectsAs,
} from './conformance-harness.ts';

export function checkReads(check: Check): void {
  check('a reader begins at its offset', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(10));
    assert.deepEqual(idsOf(await readAll(log, topic, 0)), idsOf(await readAll(log, topic)));
    assert.deepEqual(idsOf(await readAll(log, topic, 7)), ['7', '8', '9']);
  });

  check('a reader at the end waits for the next record', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(3));
    await using reader = await log.openReader(topic, 3);
    const read = reader.read(noLimits, never);
    await append(log, topic, makeRecords(1, 3));
    assert.deepEqual(idsOf(await read), ['3']);
  });

  check('a reader follows a writer without gaps', async ({ log }) => {
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const writing = (async () => {
      for (let from = 0; from < 200; from += 10) await append(log, topic, makeRecords(10, from));
    })();
    const ids: string[] = [];
    while (ids.length < 200) ids.push(...idsOf(await reader.read({ maxRecords: 7, maxBytes: 1_000 }, never)));
    await writing;
    assert.deepEqual(
      ids,
      makeRecords(200).map(({ headers }) => headers.id),
    );
  });

  check('two readers of a topic do not disturb each other', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(4));
    await using first = await log.openReader(topic, 0);
    await using second = await log.openReader(topic, 2);
    assert.deepEqual(idsOf(await first.read({ ...noLimits, maxRecords: 1 }, never)), ['0']);
    assert.deepEqual(idsOf(await second.read({ ...noLimits, maxRecords: 1 }, never)), ['2']);
    assert.deepEqual(idsOf(await first.read({ ...noLimits, maxRecords: 1 }, never)), ['1']);
  });

  check('a read keeps to its limits, but hands out one record that is larger', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(
      log,
      topic,
      [10, 10, 50, 10].map((size, index) => makeRecord(String(index), new Uint8Array(size))),
    );
    await using reader = await log.openReader(topic, 0);
    assert.deepEqual(idsOf(await reader.read({ maxRecords: 1, maxBytes: 1_000 }, never)), ['0']);
    assert.deepEqual(idsOf(await reader.read({ maxRecords: 100, maxBytes: 20 }, never)), ['1']);
    assert.deepEqual(idsOf(await reader.read({ maxRecords: 100, maxBytes: 20 }, never)), ['2']);
    assert.deepEqual(idsOf(await reader.read({ maxRecords: 100, maxBytes: 20 }, never)), ['3']);
  });

  check('a read without room for a record is invalid', async ({ log }) => {
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    await rejectsAs('invalid', reader.read({ maxRecords: 0, maxBytes: 1 }, never));
    await rejectsAs('invalid', reader.read({ maxRecords: 1, maxBytes: 0 }, never));
  });

  check('a second read of one reader at a time is invalid', async ({ log }) => {
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const first = reader.read(noLimits, never);
    await rejectsAs('invalid', reader.read(noLimits, never));
    await append(log, topic, makeRecords(1));
    assert.deepEqual(idsOf(await first), ['0']);
  });

  check('an aborted read is empty, and the reader goes on where it was', async ({ log }) => {
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const controller = new AbortController();
    const waiting = reader.read(noLimits, controller.signal);
    controller.abort();
    assert.deepEqual(await waiting, []);
    assert.deepEqual(await reader.read(noLimits, controller.signal), []);
    await append(log, topic, makeRecords(2));
    assert.deepEqual(idsOf(await reader.read(noLimits, never)), ['0', '1']);
  });

  check('a reader beyond the end is a gap', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(2));
    await rejectsAs('gap', log.openReader(topic, 3));
  });

  check('a reader at deleted records is a gap, whether it opens or is open', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(5));
    await using reader = await log.openReader(topic, 1);
    await log.deleteBefore(topic, 3);
    await rejectsAs('gap', reader.read(noLimits, never));
    await rejectsAs('gap', log.openReader(topic, 2));
    assert.deepEqual(idsOf(await readAll(log, topic, 3)), ['3', '4']);
  });

  check(
    'a reader is not opened where another record is than the one that was read, and is where that was deleted',
    async ({ log }) => {
      const topic = await makeTopic(log);
      await append(log, topic, makeRecords(5));
      await using reader = await log.openReader(topic, 3, { offset: 2, id: '2' });
      assert.deepEqual(idsOf(await reader.read(noLimits, never)), ['3', '4']);
      await rejectsAs('gap', log.openReader(topic, 3, { offset: 2, id: 'another' }));
      await log.deleteBefore(topic, 3);
      await using behind = await log.openReader(topic, 3, { offset: 2, id: 'another' });
      assert.deepEqual(idsOf(await behind.read(noLimits, never)), ['3', '4']);
    },
  );

  check(
    'a reader is not opened where a record that was read beyond its place is gone, or is another one',
    async ({ log }) => {
      const topic = await makeTopic(log);
      await append(log, topic, makeRecords(5));
      await using reader = await log.openReader(topic, 1, { offset: 4, id: '4' });
      assert.deepEqual(idsOf(await reader.read(noLimits, never)), ['1', '2', '3', '4']);
      await rejectsAs('gap', log.openReader(topic, 1, { offset: 3, id: 'another' }));
      await rejectsAs('gap', log.openReader(topic, 1, { offset: 5, id: '5' }));
    },
  );

  check('a closed reader reads no more', async ({ log }) => {
    const topic = await makeTopic(log);
    const reader = await log.openReader(topic, 0);
    const waiting = reader.read(noLimits, never);
    await reader[Symbol.asyncDispose]();
    await rejectsAs('unavailable', waiting);
    await rejectsAs('unavailable', reader.read(noLimits, never));
  });

  check('known records are read again at their offsets, as far as they are there', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(6));
    assert.deepEqual(idsOf(await log.readAt(topic, 2, 2)), ['2', '3']);
    assert.deepEqual(idsOf(await log.readAt(topic, 4, 10)), ['4', '5']);
    assert.deepEqual(await log.readAt(topic, 6, 1), []);
    await log.deleteBefore(topic, 3);
    assert.deepEqual(idsOf(await log.readAt(topic, 2, 2)), ['3']);
    assert.deepEqual(await log.readAt(topic, 0, 3), []);
  });

  check('a malformed offset or limit is invalid', async ({ log }) => {
    const topic = await makeTopic(log);
    await rejectsAs('invalid', log.openReader(topic, -1));
    await rejectsAs('invalid', log.readAt(topic, 0.5, 1));
    await rejectsAs('invalid', log.readAt(topic, 0, 0));
  });
}
