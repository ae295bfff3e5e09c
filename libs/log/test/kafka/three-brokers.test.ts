/** The log in Kafka on three brokers, two of which must have every append: leaders that die and followers that lag. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import {
  append,
  appendFailure,
  idsOf,
  makeRecord,
  makeRecords,
  makeTopic,
  never,
  noLimits,
  readAll,
} from '../../src/conformance-harness.ts';
import { KafkaCluster, parseBrokers } from '../../src/kafka-cluster.ts';
import type { KafkaNode } from '../../../../load-tests/stack/kafka-node.ts';
import { sealSettleMs } from '../../src/kafka-limits.ts';
import { openKafkaLog } from '../../src/kafka-log.ts';
import type { Log } from '../../src/log.ts';
import { startBrokers, until } from './own-brokers.ts';
import type { OwnBrokers } from './own-brokers.ts';
import { stackKafka } from './stack-kafka.ts';
import { firstsOf, readOn, writeAndRepeat } from './writing-on.ts';

describe('three brokers', { skip: stackKafka().skip }, () => {
  let own: OwnBrokers;
  before(async () => {
    own = await startBrokers(3);
  });
  after(async () => own?.[Symbol.asyncDispose]());

  test('NO-LOSS: readers and writers go on when the leader is killed, without gaps', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const stop = new AbortController();
    const writing = writeAndRepeat(log, topic, stop.signal);
    const ids: string[] = [];
    await readOn(reader, ids, 50);

    const leader = await leaderOf(own, topic);
    await own.kill(leader);
    await readOn(reader, ids, ids.length + 100);
    stop.abort();
    const acknowledged = await writing;
    const end = await until(() => log.end(topic));
    await readOn(reader, ids, end);
    assert.ok(acknowledged.length > 100);
    assert.deepEqual(firstsOf(ids), acknowledged);
    await own.start(leader);
  });

  test('copies that are left in one zone are seen as such', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    assert.deepEqual(await log.copies([topic]), [{ topic, wanted: 3, inSync: 3, inSyncZones: 2 }]);
    const [onlyOfItsZone] = own.brokers.filter(({ rack }) => rack === 'b');
    assert.ok(onlyOfItsZone !== undefined);
    await own.kill(onlyOfItsZone);
    await until(async () => {
      assert.deepEqual(await log.copies([topic]), [{ topic, wanted: 3, inSync: 2, inSyncZones: 1 }]);
    });
    await own.start(onlyOfItsZone);
    await until(async () => {
      assert.deepEqual(await log.copies([topic]), [{ topic, wanted: 3, inSync: 3, inSyncZones: 2 }]);
    });
  });

  test('a seal is for good when the leader is killed in the middle of it', async () => {
    for (let round = 0; round < 3; round += 1) {
      await using log = await openKafkaLog(own.options);
      const topic = await until(() => makeTopic(log));
      const offsets: number[] = [];
      const firsts = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
      const writers = firsts.map(({ resolve }) => writeUntilSealed(log, topic, offsets, resolve));
      await Promise.all(firsts.map(({ promise }) => promise));

      const leader = await leaderOf(own, topic);
      const sealing = until(() => log.seal([topic]));
      await own.kill(leader);
      await sealing;
      assert.equal(await appendFailure(log, topic, makeRecords(1)), 'sealed');
      const end = await until(() => log.sealedEnd(topic));
      await own.start(leader);
      await Promise.all(writers);
      assert.ok(offsets.every((offset) => offset < end));
      assert.equal(new Set(offsets).size, offsets.length);
      assert.equal(await until(() => log.sealedEnd(topic)), end);
      assert.equal((await readAll(log, topic)).length, end);
      // The former leader may lead again, with the log that it had: the end is the same.
      await using reopened = await openKafkaLog(own.options);
      assert.equal(await until(() => reopened.end(topic)), end);
      assert.equal(await appendFailure(reopened, topic, makeRecords(1)), 'sealed');
    }
  });

  test('the end of a sealed topic waits for what the leader took and the followers do not have yet', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await until(() => makeTopic(log));
    await until(() => append(log, topic, makeRecords(1)));
    const leader = await leaderOf(own, topic);
    const followers = own.brokers.filter((broker) => broker !== leader);
    for (const follower of followers) await own.pause(follower);
    // In the leader's log, on no other broker, and its fate is not known.
    assert.equal(await appendFailure(log, topic, [makeRecord('1')]), 'unavailable');
    assert.equal(await log.end(topic), 1);
    await until(() => log.seal([topic]));
    const ending = until(() => log.sealedEnd(topic));
    // Long enough for several looks at the leader: by its replicated end alone the topic would end at 1.
    assert.equal(await Promise.race([ending, pause(10 * sealSettleMs)]), undefined);
    for (const follower of followers) await own.resume(follower);
    const end = await ending;
    const ids = idsOf(await readAll(log, topic));
    assert.equal(ids.length, end);
    assert.deepEqual(ids, ['0', '1']);
  });

  test('a former leader that wakes up and does not know it makes no gap and no end that went back', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await until(() => makeTopic(log));
    await until(() => append(log, topic, makeRecords(5)));
    const former = await leaderOf(own, topic);
    // Questions that reach the former leader while it sleeps are the first that it answers.
    await using early = await openKafkaLog(own.options);
    assert.equal(await early.end(topic), 5);
    await own.pause(former);
    for (let from = 5; from < 25; from += 5) await until(() => append(log, topic, makeRecords(5, from)));
    const end = await until(() => log.end(topic));
    await using reader = await log.openReader(topic, end);
    const waiting = reader.read(noLimits, never);
    const asked = [early.end(topic), early.end(topic)];
    await own.resume(former);
    for (const answer of await Promise.all(asked)) assert.ok(answer >= end, `the end went back to ${answer}`);
    for (let round = 0; round < 15; round += 1) {
      // A fresh one knows no leader yet and may ask anybody.
      const fresh = await openKafkaLog({ ...own.options, brokers: [`127.0.0.1:${former.brokerPort}`] });
      assert.ok((await fresh.end(topic)) >= end);
      await (await fresh.openReader(topic, end))[Symbol.asyncDispose]();
      assert.equal((await fresh.readAt(topic, end - 1, 1)).length, 1);
      await fresh[Symbol.asyncDispose]();
    }
    await until(() => append(log, topic, [makeRecord('last')]));
    assert.ok(idsOf(await waiting).length > 0);
  });

  test('a broker that did not answer is asked after all others, until it answers again', async (context) => {
    const cluster = new KafkaCluster(parseBrokers(own.options.brokers), { clientId: 'test' });
    try {
      await until(() => cluster.metadata([]));
      const [first] = cluster.brokers.values();
      const silent = own.brokerAt(first?.port ?? 0);
      await own.pause(silent);
      await cluster.metadata([]);
      const connect = context.mock.method(cluster, 'connection');
      const portsAsked = (): number[] => connect.mock.calls.map(({ arguments: [{ port }] }) => port);
      await cluster.metadata([]);
      assert.equal(portsAsked().includes(silent.brokerPort ?? 0), false);
      await own.resume(silent);
      // A look for a leader hears every broker.
      await using log = await until(() => openKafkaLog(own.options));
      const topic = await until(() => makeTopic(log));
      await until(async () => {
        cluster.forgetLeader(topic);
        await cluster.leaderOf(topic);
        connect.mock.resetCalls();
        await cluster.metadata([]);
        assert.equal(portsAsked()[0], silent.brokerPort);
      });
    } finally {
      cluster.close();
    }
  });

  test('whoever wants a connection while it fails to open fails as well, and at once', async () => {
    const cluster = new KafkaCluster(parseBrokers(own.options.brokers), { clientId: 'test' });
    const nobody = { host: '127.0.0.1', port: 1 };
    const failureOf = (): Promise<unknown> => cluster.connection(nobody, 'ask').catch((error: unknown) => error);
    const first = failureOf();
    // By then it is being opened, and nobody has refused it yet.
    for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
    const failures = await Promise.all([first, failureOf(), failureOf()]);
    assert.equal(new Set(failures).size, 1);
    cluster.close();
  });

  test('too few in-sync replicas refuse appends, and they go through again by themselves', async () => {
    await using log = await openKafkaLog(own.options);
    const topic = await until(() => makeTopic(log));
    await until(() => append(log, topic, makeRecords(1)));
    const leader = await leaderOf(own, topic);
    const followers = own.brokers.filter((broker) => broker !== leader);
    for (const follower of followers) await own.kill(follower);
    assert.equal(await appendFailure(log, topic, makeRecords(1, 1)), 'unavailable');
    for (const follower of followers) await own.start(follower);
    await until(() => append(log, topic, makeRecords(1, 2)));
    assert.deepEqual(firstsOf(idsOf(await readAll(log, topic))).at(-1), '2');
  });
});

async function leaderOf(own: OwnBrokers, topic: string): Promise<KafkaNode> {
  const cluster = new KafkaCluster(parseBrokers(own.options.brokers), { clientId: 'test' });
  try {
    const { port } = await until(() => cluster.leaderOf(topic));
    return own.brokerAt(port);
  } finally {
    cluster.close();
  }
}

async function writeUntilSealed(log: Log, topic: string, offsets: number[], onFirst: () => void): Promise<void> {
  for (;;) {
    const [result] = await log.append([{ topic, records: makeRecords(1) }]);
    if (result?.kind === 'appended') {
      offsets.push(result.firstOffset);
      onFirst();
    } else if (result?.error.kind === 'sealed') {
      return;
    } else {
      assert.equal(result?.error.kind, 'unavailable');
    }
  }
}

describe('four brokers in two zones', { skip: stackKafka().skip }, () => {
  test('NO-LOSS: both brokers of a zone are killed, and the other zone goes on by itself', async () => {
    await using own = await startBrokers(4);
    await using log = await openKafkaLog(own.options);
    const topic = await makeTopic(log);
    await using reader = await log.openReader(topic, 0);
    const stop = new AbortController();
    const writing = writeAndRepeat(log, topic, stop.signal);
    const ids: string[] = [];
    await readOn(reader, ids, 50);
    const { rack } = await leaderOf(own, topic);
    await Promise.all(own.brokers.filter((broker) => broker.rack === rack).map((broker) => own.kill(broker)));
    await readOn(reader, ids, ids.length + 100);
    stop.abort();
    const acknowledged = await writing;
    await readOn(reader, ids, await until(() => log.end(topic)));
    assert.deepEqual(firstsOf(ids), acknowledged);
  });
});
