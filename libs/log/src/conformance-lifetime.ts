/** Conformance of the log: topics that come and go, deletion of records, restarts, and a dead driver. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import {
  append,
  appendFailure,
  idsOf,
  makeRecords,
  makeTopic,
  never,
  noLimits,
  readAll,
  rejectsAs,
  uniqueTopic,
} from './conformance-harness.ts';
import { copiesTopicsMax } from './limits.ts';
import type { Log } from './log.ts';

export function checkLifetimes(check: Check): void {
  check('making a topic that is there changes nothing', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(2));
    await log.createTopic(topic);
    assert.deepEqual(idsOf(await readAll(log, topic)), ['0', '1']);
  });

  check('a topic with a malformed name is invalid', async ({ log }) => {
    for (const name of ['', 'a b', '../a', 'a'.repeat(250)]) await rejectsAs('invalid', log.createTopic(name));
  });

  check('a topic that was never made is missing for everything but deletion', async ({ log }) => {
    const topic = uniqueTopic();
    await expectMissing(log, topic);
    await log.deleteTopic(topic);
    await log.createTopic(topic);
    assert.equal(await log.end(topic), 0);
  });

  check('a deleted topic is missing ever after, and its name stays taken', async ({ log, reopen }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(2_000));
    await log.deleteTopic(topic);
    await log.deleteTopic(topic);
    await expectMissing(log, topic);
    await rejectsAs('no_topic', log.createTopic(topic));
    const reopened = await reopen();
    await expectMissing(reopened, topic);
    await rejectsAs('no_topic', reopened.createTopic(topic));
  });

  check('every copy of a topic is in sync, and topics that are not there have none', async ({ log }) => {
    const topics = [await makeTopic(log), await makeTopic(log)];
    const deleted = await makeTopic(log);
    await append(log, topics[0] ?? '', makeRecords(1));
    await log.deleteTopic(deleted);
    const found = await log.copies([...topics, deleted, uniqueTopic()]);
    assert.deepEqual(found.map(({ topic }) => topic).toSorted(), topics.toSorted());
    for (const { wanted, inSync, inSyncZones } of found) {
      assert.ok(wanted >= 1);
      assert.equal(inSync, wanted);
      assert.ok(inSyncZones >= 1 && inSyncZones <= inSync);
    }
    await rejectsAs('invalid', log.copies([]));
    await rejectsAs('invalid', log.copies(Array.from({ length: copiesTopicsMax + 1 }, uniqueTopic)));
  });

  check('a reader that waits learns that its topic is deleted', async ({ log }) => {
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const waiting = rejectsAs('no_topic', reader.read(noLimits, never));
    await log.deleteTopic(topic);
    await waiting;
  });

  check('deleting records moves no offset', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(2_000));
    await log.deleteBefore(topic, 1_998);
    await log.deleteBefore(topic, 1_998);
    await log.deleteBefore(topic, 10);
    assert.equal(await log.end(topic), 2_000);
    assert.deepEqual(idsOf(await readAll(log, topic, 1_998)), ['1998', '1999']);
    await log.deleteBefore(topic, 2_000);
    assert.equal((await append(log, topic, makeRecords(1, 2_000))).firstOffset, 2_000);
    await rejectsAs('invalid', log.deleteBefore(topic, 3_000));
  });

  check('records, ends, seals and deletions survive a restart', async ({ log, reopen }) => {
    const [open, sealed] = [await makeTopic(log), await makeTopic(log)];
    const { appendTimeMs } = await append(log, open, makeRecords(5));
    await append(log, sealed, makeRecords(1));
    await log.seal([sealed]);
    await log.deleteBefore(open, 2);

    const reopened = await reopen();
    assert.deepEqual(idsOf(await readAll(reopened, open, 2)), ['2', '3', '4']);
    await rejectsAs('gap', reopened.openReader(open, 1));
    const later = await append(reopened, open, makeRecords(1, 5));
    assert.equal(later.firstOffset, 5);
    assert.ok(later.appendTimeMs >= appendTimeMs);
    assert.equal(await appendFailure(reopened, sealed, makeRecords(1)), 'sealed');
    assert.equal(await reopened.end(sealed), 1);
  });

  check('appends that were handed over before closing are answered', async ({ log, reopen }) => {
    const topic = await makeTopic(log);
    const pending = log.append([{ topic, records: makeRecords(3) }]);
    const reopened = await reopen();
    const [result] = await pending;
    assert.equal(await reopened.end(topic), result?.kind === 'appended' ? 3 : 0);
  });

  check('a dead driver is an error everywhere, never silence', async ({ log, makeDead }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(1));
    const reader = await log.openReader(topic, 1);
    const waiting = rejectsAs('unavailable', reader.read(noLimits, never));
    await makeDead();
    await waiting;
    await rejectsAs('unavailable', reader.read(noLimits, never));
    assert.equal(await appendFailure(log, topic, makeRecords(1)), 'unavailable');
    await rejectsAs('unavailable', log.createTopic(uniqueTopic()));
    await rejectsAs('unavailable', log.deleteTopic(topic));
    await rejectsAs('unavailable', log.openReader(topic, 0));
    await rejectsAs('unavailable', log.readAt(topic, 0, 1));
    await rejectsAs('unavailable', log.end(topic));
    await rejectsAs('unavailable', log.copies([topic]));
    await rejectsAs('unavailable', log.seal([topic]));
    await rejectsAs('unavailable', log.sealedEnd(topic));
    await rejectsAs('unavailable', log.deleteBefore(topic, 1));
  });
}

async function expectMissing(log: Log, topic: string): Promise<void> {
  assert.equal(await appendFailure(log, topic, makeRecords(1)), 'no_topic');
  await rejectsAs('no_topic', log.openReader(topic, 0));
  await rejectsAs('no_topic', log.readAt(topic, 0, 1));
  await rejectsAs('no_topic', log.end(topic));
  await rejectsAs('no_topic', log.seal([topic]));
  await rejectsAs('no_topic', log.sealedEnd(topic));
  await rejectsAs('no_topic', log.deleteBefore(topic, 0));
}
