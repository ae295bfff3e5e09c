/** The log in Kafka when its only broker is killed, paused, or changed behind its back. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Kafka, logLevel } from 'kafkajs';
import { setTimeout as pause } from 'node:timers/promises';
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
} from '../../src/conformance-harness.ts';
import { KafkaCluster, parseBrokers } from '../../src/kafka-cluster.ts';
import { openKafkaLog } from '../../src/kafka-log.ts';
import { createTopicRequest, deleteTopicRequest } from '../../src/kafka-protocol.ts';
import { startBrokers, until } from './own-brokers.ts';
import type { OwnBrokers } from './own-brokers.ts';
import { stackKafka } from './stack-kafka.ts';
import { readOn, writeAndRepeat } from './writing-on.ts';

describe('a single broker', { skip: stackKafka().skip }, () => {
  let own: OwnBrokers;
  before(async () => {
    own = await startBrokers(1);
  });
  after(async () => own?.[Symbol.asyncDispose]());

  test('a killed broker is an error everywhere, and the same log goes on after its return', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(3));
    await using reader = await log.openReader(topic, 3);
    const waiting = rejectsAs('unavailable', reader.read(noLimits, never));
    const [broker] = own.brokers;
    assert.ok(broker);
    await own.kill(broker);
    await waiting;
    await rejectsAs('unavailable', reader.read(noLimits, never));
    assert.equal(await appendFailure(log, topic, makeRecords(1)), 'unavailable');
    await rejectsAs('unavailable', log.createTopic(uniqueTopic()));
    await rejectsAs('unavailable', log.deleteTopic(topic));
    await rejectsAs('unavailable', log.openReader(topic, 0));
    await rejectsAs('unavailable', log.readAt(topic, 0, 1));
    await rejectsAs('unavailable', log.end(topic));
    await rejectsAs('unavailable', log.seal([topic]));
    await rejectsAs('unavailable', log.sealedEnd(topic));
    await rejectsAs('unavailable', log.deleteBefore(topic, 1));
    await rejectsAs('unavailable', openKafkaLog(own.options));

    await own.start(broker);
    const end = await until(() => log.end(topic));
    assert.equal(end, 3);
    await append(log, topic, makeRecords(2, 3));
    assert.deepEqual(idsOf(await reader.read(noLimits, never)), ['3', '4']);
    assert.deepEqual(idsOf(await readAll(log, topic)), ['0', '1', '2', '3', '4']);
  });

  test('a topic that somebody gave a second partition is refused everywhere, and nothing of it is read or appended', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = uniqueTopic();
    const admin = new Kafka({ brokers: [...own.options.brokers], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
    await admin.disconnect();
    await rejectsAs('invalid', log.end(topic));
    await rejectsAs('invalid', log.openReader(topic, 0));
    await assert.rejects(log.readAt(topic, 0, 1), /has 2 partitions: a topic of the log has one/);
    assert.equal(await appendFailure(log, topic, makeRecords(1)), 'invalid');
  });

  test('a log that lost its tail and grew again past a reader is a gap, and not more records', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(2));
    const [broker] = own.brokers;
    assert.ok(broker);
    await own.kill(broker);
    await own.backUp(broker);
    await own.start(broker);
    await until(() => append(log, topic, makeRecords(1, 2)));
    await using reader = await log.openReader(topic, 0);
    const ids: string[] = [];
    while (ids.length < 3) ids.push(...idsOf(await reader.read(noLimits, never)));
    assert.deepEqual(ids, ['0', '1', '2']);

    await own.kill(broker);
    await own.restore(broker);
    await own.start(broker);
    await until(() => append(log, topic, makeRecords(2, 10)));
    await until(() => rejectsAs('gap', reader.read(noLimits, never)));
  });

  test('a paused broker is an error within the time-out, and what it took late is no gap', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(1));
    await using reader = await log.openReader(topic, 1);
    const waiting = rejectsAs('unavailable', reader.read(noLimits, never));
    const [broker] = own.brokers;
    assert.ok(broker);
    await own.pause(broker);
    assert.equal(await appendFailure(log, topic, makeRecords(1, 1)), 'unavailable');
    await waiting;
    await rejectsAs('unavailable', log.end(topic));
    await own.resume(broker);

    const repeated = await until(async () => append(log, topic, makeRecords(1, 1)));
    await append(log, topic, makeRecords(1, 2));
    // The append that was not answered may be there as well: a repeat, which readers drop by its id.
    const ids: string[] = [];
    while (!ids.includes('2')) ids.push(...idsOf(await reader.read(noLimits, never)));
    assert.deepEqual([...new Set(ids)], ['1', '2']);
    assert.ok(repeated.firstOffset === 1 || repeated.firstOffset === 2);
  });

  test('NO-LOSS: a broker that stalls again and again loses and reorders nothing', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const stop = new AbortController();
    const writing = writeAndRepeat(log, topic, stop.signal);
    const [broker] = own.brokers;
    assert.ok(broker);
    const ids: string[] = [];
    for (let stall = 0; stall < 6; stall += 1) {
      await own.pause(broker);
      await pause(600);
      await own.resume(broker);
      await readOn(reader, ids, ids.length + 30);
    }
    stop.abort();
    const acknowledged = await writing;
    await readOn(reader, ids, await log.end(topic));
    assert.deepEqual(ids, acknowledged);
  });

  test('an append to a missing topic does not make it', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = uniqueTopic();
    assert.equal(await appendFailure(log, topic, makeRecords(1)), 'no_topic');
    await rejectsAs('no_topic', log.end(topic));
  });

  test('a reader whose position is out of range stops, instead of jumping to offset 0', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(10));
    await using reader = await log.openReader(topic, 10);
    const waiting = reader.read(noLimits, never);
    // Somebody with rights of their own makes the topic anew: the log lost its tail and grows again.
    await using outsider = rawCluster(own);
    const expected = assert.rejects(waiting, /no topic|not 10/);
    await outsider.cluster.askAny(deleteTopicRequest(topic));
    await expected;
    await until(async () => {
      const { topicErrors } = await outsider.cluster.askAny(
        createTopicRequest(topic, 1, { 'message.timestamp.type': 'LogAppendTime' }),
      );
      assert.equal(topicErrors[0]?.errorCode, 0);
    });
    await until(async () => append(log, topic, makeRecords(3)));
    await rejectsAs('gap', reader.read(noLimits, never));
    await rejectsAs('gap', log.openReader(topic, 10));
  });

  test('a topic with more than one partition is invalid', async () => {
    await using log = await openKafkaLog(own.options);
    await using outsider = rawCluster(own);
    const topic = uniqueTopic();
    const { request, decode } = createTopicRequest(topic, 1, {});
    assert.equal(request.apiName, 'CreateTopics');
    await outsider.cluster.askAny({ request: twoPartitions(request), decode });
    await until(async () => {
      const failure = await appendFailure(log, topic, makeRecords(1));
      assert.equal(failure, 'invalid');
    });
    await rejectsAs('invalid', log.openReader(topic, 0));
  });

  test('a record that the log did not write is a gap, not a crash', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await append(log, topic, makeRecords(1));
    const outsider = new Kafka({ brokers: [...own.options.brokers], logLevel: logLevel.NOTHING }).producer({
      allowAutoTopicCreation: false,
    });
    await outsider.connect();
    await outsider.send({ topic, messages: [{ key: 'k', value: 'v' }] });
    await outsider.disconnect();
    await rejectsAs('gap', log.readAt(topic, 1, 1));
  });

  test('appends of many topics in one request each have their own outcome, and none is written twice', async () => {
    await using log = await openKafkaLog(own.options);
    const topics = await Promise.all(Array.from({ length: 8 }, () => makeTopic(log)));
    const [sealed] = topics;
    assert.ok(sealed);
    await log.seal([sealed]);
    const appends = topics.map((topic) => ({ topic, records: makeRecords(2) }));
    const results = await log.append(appends);
    assert.deepEqual(
      results.map(({ kind }) => kind),
      topics.map((topic) => (topic === sealed ? 'failed' : 'appended')),
    );
    for (const topic of topics) assert.equal(await log.end(topic), topic === sealed ? 0 : 2);
  });

  test('a record without stamped append times is never taken for appended', async () => {
    await using log = await openKafkaLog(own.options);
    await using outsider = rawCluster(own);
    const topic = uniqueTopic();
    await outsider.cluster.askAny(createTopicRequest(topic, 1, { 'message.timestamp.type': 'CreateTime' }));
    await until(async () => assert.equal(await appendFailure(log, topic, makeRecords(1)), 'unavailable'));
  });

  test('a name that was deleted by another process stays taken', async () => {
    await using first = await openKafkaLog(own.options);
    await using second = await openKafkaLog(own.options);
    const topic = await makeTopic(first);
    await second.deleteTopic(topic);
    await rejectsAs('no_topic', first.createTopic(topic));
    await rejectsAs('invalid', first.createTopic('chappe-deleted-topics'));
  });
});

describe('a broker that is set up wrongly', { skip: stackKafka().skip }, () => {
  test('a broker that makes topics by itself is refused when the log opens', async () => {
    await using own = await startBrokers(1, { settings: { 'auto.create.topics.enable': 'true' } });
    await assert.rejects(openKafkaLog(own.options), /auto\.create\.topics\.enable must be false on broker 1/);
  });

  test('an address that is none, or where nobody is, is an error', async () => {
    const options = { ...stackKafka().options, brokers: ['127.0.0.1'] };
    await rejectsAs('invalid', openKafkaLog(options));
    await rejectsAs('unavailable', openKafkaLog({ ...options, brokers: ['127.0.0.1:1'] }));
  });
});

function rawCluster(own: OwnBrokers): { cluster: KafkaCluster } & AsyncDisposable {
  const cluster = new KafkaCluster(parseBrokers(own.options.brokers), { clientId: 'outsider' });
  return {
    cluster,
    async [Symbol.asyncDispose]() {
      cluster.close();
    },
  };
}

/** The same request to create a topic, with its number of partitions changed in the bytes. */
function twoPartitions(
  request: ReturnType<typeof createTopicRequest>['request'],
): ReturnType<typeof createTopicRequest>['request'] {
  return {
    ...request,
    async encode() {
      const encoder = await request.encode();
      const nameLength = encoder.buffer.readInt16BE(4);
      encoder.buffer.writeInt32BE(2, 4 + 2 + nameLength);
      return encoder;
    },
  };
}
