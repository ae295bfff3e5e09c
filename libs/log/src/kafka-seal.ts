/**
 * Sealing a topic in Kafka: `max.message.bytes` of 1, so that its leader refuses every batch.
 *
 * The setting reaches leaders a moment after it is made, so the leader is probed with a batch that no
 * leader ever appends, an empty one: it is refused as too large once the seal is in force and as empty
 * before. From then on whoever leads refuses: a broker learns of its leadership after everything that was set before.
 *
 * Where the topic ends is known later: an append that had passed the leader's check of sizes before the seal may come to
 * rest after it. So the end is read, and after a pause everything is asked again. It stands if nothing has changed, the
 * leader epoch neither; a leader that died in between begins the whole anew. Replicated end and the leader's own end must
 * agree too: what the leader took before the seal and has not replicated yet would otherwise move the end later. The
 * questions of one look travel together.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { encodeBatch } from './kafka-batch.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { LeaderAddress } from './kafka-cluster.ts';
import { nameOf } from './kafka-connection.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import { checkCode, codes } from './kafka-error.ts';
import { produceTimeoutMs, sealedBatchBytesMax, sealPollMs, sealSettleMs, sealTimeoutMs } from './kafka-limits.ts';
import { alterTopicsRequest, leaderEndRequest, listOffsetsRequest, produceRequest } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';

/** One look at a topic's leader. */
interface Look {
  /** With its leader epoch. */
  readonly leader: string;
  readonly isSealed: boolean;
  readonly replicatedEnd: number;
  readonly leaderEnd: number;
}

export async function sealTopics(cluster: KafkaCluster, topics: readonly string[]): Promise<void> {
  await setSealed(cluster, topics);
  const deadline = performance.now() + sealTimeoutMs;
  await Promise.all(
    topics.map(async (topic) => {
      while (!(await cluster.atLeader(topic, (connection) => isSealedAt(connection, topic)))) {
        if (performance.now() > deadline) {
          throw new LogError('unavailable', `${topic}: the seal is not in force yet; seal again`);
        }
        await pause(sealPollMs);
      }
    }),
  );
}

/** @throws LogError `invalid` if it is not sealed */
export async function endOfSealed(cluster: KafkaCluster, topic: string): Promise<number> {
  const deadline = performance.now() + sealTimeoutMs;
  for (let first: Look | undefined; ;) {
    const look = await cluster.atConfirmedLeader(topic, lookAt(topic));
    if (!look.isSealed) throw new LogError('invalid', `${topic} is not sealed: where it ends can change`);
    const isWhole = look.replicatedEnd === look.leaderEnd;
    if (isWhole && look.leader === first?.leader && look.replicatedEnd === first.replicatedEnd) {
      return look.replicatedEnd;
    }
    if (performance.now() > deadline) {
      throw new LogError('unavailable', `${topic}: what was appended before the seal is not replicated; ask again`);
    }
    first = isWhole ? look : undefined;
    await pause(sealSettleMs);
  }
}

/** With one request: a broker takes them one after the other. */
async function setSealed(cluster: KafkaCluster, topics: readonly string[]): Promise<void> {
  // Says `no_topic` before anything is changed.
  await Promise.all(
    topics.map((topic) => {
      cluster.forgetLeader(topic);
      return cluster.atLeader(topic, async () => undefined);
    }),
  );
  const settings = { 'max.message.bytes': String(sealedBatchBytesMax) };
  const outcomes = await cluster.changeByAny(alterTopicsRequest(topics, settings));
  for (const topic of topics) {
    const { errorCode, errorMessage } = outcomes.get(topic) ?? { errorCode: -1, errorMessage: 'no answer' };
    if (errorCode === codes.unknownTopic) throw new LogError('no_topic', `there is no topic ${topic}`);
    if (errorCode !== codes.none) {
      throw new LogError('unavailable', `the settings of ${topic}: ${errorMessage ?? `Kafka error ${errorCode}`}`);
    }
  }
}

/** Whether the broker of a connection, which leads the topic, refuses every batch for it. */
async function isSealedAt(connection: KafkaConnection, topic: string): Promise<boolean> {
  // By the leader alone: asked for all, it says that replicas are missing before it looks at sizes.
  const probe = produceRequest([{ topic, batch: encodeBatch([]) }], produceTimeoutMs, 'leader');
  const code = (await connection.send(probe)).get(topic)?.errorCode;
  if (code !== codes.messageTooLarge && code !== codes.invalidRecord) checkCode(topic, code, 'probing');
  return code === codes.messageTooLarge;
}

function lookAt(topic: string): (connection: KafkaConnection, leader: LeaderAddress) => Promise<Look> {
  return async (connection, leader) => {
    const [isSealed, own, replicated] = await Promise.all([
      isSealedAt(connection, topic),
      connection.send(leaderEndRequest(topic, leader.epoch)),
      connection.send(listOffsetsRequest(topic, 'latest')),
    ]);
    checkCode(topic, own.errorCode, 'reading the own end of the leader of');
    const partition = replicated.responses[0]?.partitions[0];
    checkCode(topic, partition?.errorCode, 'reading the end of');
    return {
      leader: `${nameOf(leader)} since epoch ${leader.epoch}`,
      isSealed,
      replicatedEnd: Number(partition?.offset),
      leaderEnd: own.end,
    };
  };
}
