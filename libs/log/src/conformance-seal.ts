/** Conformance of the log: sealing against every writer, known or unknown. */
import assert from 'node:assert/strict';
import type { Check } from './conformance-harness.ts';
import { append, appendFailure, idsOf, makeRecords, makeTopic, readAll, rejectsAs } from './conformance-harness.ts';
import type { Log } from './log.ts';

export function checkSeals(check: Check): void {
  check('a sealed topic takes nothing, and its end stays where it was', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(3));
    await log.seal([topic]);
    assert.equal(await log.sealedEnd(topic), 3);
    assert.equal(await appendFailure(log, topic, makeRecords(1)), 'sealed');
    assert.equal(await log.end(topic), 3);
    await log.seal([topic]);
    assert.equal(await log.sealedEnd(topic), 3);
  });

  check('a topic that is not sealed has no end that stays', async ({ log }) => {
    const topic = await makeTopic(log);
    await rejectsAs('invalid', log.sealedEnd(topic));
  });

  check('reading a sealed topic goes on', async ({ log }) => {
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(3));
    await log.seal([topic]);
    assert.deepEqual(idsOf(await readAll(log, topic)), ['0', '1', '2']);
    assert.deepEqual(idsOf(await log.readAt(topic, 1, 1)), ['1']);
  });

  check('a seal stops every concurrent writer, and those that begin later, at one end', async ({ log }) => {
    const topic = await makeTopic(log);
    const started = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
    const writers = started.map(({ resolve }) => writeUntilSealed(log, topic, resolve));
    await Promise.all(started.map(({ promise }) => promise));

    await log.seal([topic]);
    const lateWriter = writeUntilSealed(log, topic, () => assert.fail('a late writer appended'));
    const end = await log.sealedEnd(topic);
    const offsets = (await Promise.all([...writers, lateWriter])).flat().toSorted((a, b) => a - b);

    assert.deepEqual(
      offsets,
      Array.from({ length: end }, (_, offset) => offset),
    );
    assert.equal(await log.end(topic), end);
    assert.equal((await readAll(log, topic)).length, end);
  });

  check('an append that is on its way when the seal returns is either below the end or refused', async ({ log }) => {
    const topic = await makeTopic(log);
    const appends = Array.from({ length: 20 }, () => log.append([{ topic, records: makeRecords(1) }]));
    await log.seal([topic]);
    const end = await log.sealedEnd(topic);
    const results = (await Promise.all(appends)).flat();
    const appended = results.filter(({ kind }) => kind === 'appended');
    assert.equal(appended.length, end);
    assert.equal(await log.end(topic), end);
  });

  check('several topics are sealed together', async ({ log }) => {
    const topics = await Promise.all([makeTopic(log), makeTopic(log), makeTopic(log)]);
    await Promise.all(topics.map((topic, index) => append(log, topic, makeRecords(index + 1))));
    await log.seal(topics);
    for (const [index, topic] of topics.entries()) {
      assert.equal(await appendFailure(log, topic, makeRecords(1)), 'sealed');
      assert.equal(await log.sealedEnd(topic), index + 1);
    }
  });
}

/** Appends one record after another until one is refused as sealed; the offsets that went through. */
async function writeUntilSealed(log: Log, topic: string, onFirst: () => void): Promise<number[]> {
  const offsets: number[] = [];
  for (;;) {
    const [result] = await log.append([{ topic, records: makeRecords(1) }]);
    if (result?.kind !== 'appended') {
      assert.equal(result?.error.kind, 'sealed');
      return offsets;
    }
    if (offsets.length === 0) onFirst();
    offsets.push(result.firstOffset);
  }
}
