/**
 * Sealing a topic in Kafka: `max.message.bytes` of 1, so that its leader refuses every batch.
 *
 * The setting reaches leaders a moment after it is made, so the leader is probed with a batch that no
 * leader ever appends, an empty one: it is refused as too large once the seal is in force and as empty
 * before. Then the end is read, and read again after a pause with the same leader and a second probe:
 * a leader that died in between begins the whole anew.
 *
 * Replicated end and the leader's own end must agree too: what the leader took before the seal and has
 * not replicated yet would otherwise move the end later.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { encodeBatch } from './kafka-batch.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import { nameOf } from './kafka-connection.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import { checkCode, codes } from './kafka-error.ts';
import { batchBytesMax, produceTimeoutMs, sealedBatchBytesMax, sealSettleMs, sealTimeoutMs } from './kafka-limits.ts';
import { alterTopicRequest, epochEndRequest, listOffsetsRequest, produceRequest } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';

/** One look at a topic's leader. */
interface Look {
  readonly leader: string;
  readonly isSealed: boolean;
  readonly replicatedEnd: number;
  readonly leaderEnd: number;
}

export async function sealTopic(cluster: KafkaCluster, topic: string): Promise<number> {
  await setBatchBytesMax(cluster, topic, sealedBatchBytesMax);
  const deadline = performance.now() + sealTimeoutMs;
  for (;;) {
    const first = await look(cluster, topic);
    if (isSettled(first)) {
      await pause(sealSettleMs);
      const second = await look(cluster, topic);
      const isSame = second.leader === first.leader && second.replicatedEnd === first.replicatedEnd;
      if (isSame && isSettled(second)) return second.replicatedEnd;
    }
    if (performance.now() > deadline) {
      throw new LogError('unavailable', `${topic}: the seal is not in force everywhere yet; seal again`);
    }
    await pause(sealSettleMs / 4);
  }
}

export async function unsealTopic(cluster: KafkaCluster, topic: string): Promise<void> {
  await setBatchBytesMax(cluster, topic, batchBytesMax);
  const deadline = performance.now() + sealTimeoutMs;
  while ((await look(cluster, topic)).isSealed) {
    if (performance.now() > deadline) throw new LogError('unavailable', `${topic} is still sealed; unseal again`);
    await pause(sealSettleMs / 4);
  }
}

function isSettled({ isSealed, replicatedEnd, leaderEnd }: Look): boolean {
  return isSealed && replicatedEnd === leaderEnd;
}

async function setBatchBytesMax(cluster: KafkaCluster, topic: string, bytes: number): Promise<void> {
  // Says `no_topic` before anything is changed.
  cluster.forgetLeader(topic);
  await cluster.atLeader(topic, async () => undefined);
  const { errorCode, errorMessage } = await cluster.askAny(
    alterTopicRequest(topic, { 'max.message.bytes': String(bytes) }),
  );
  if (errorCode === codes.unknownTopic) throw new LogError('no_topic', `there is no topic ${topic}`);
  if (errorCode !== codes.none) {
    throw new LogError('unavailable', `the settings of ${topic}: ${errorMessage ?? `Kafka error ${errorCode}`}`);
  }
}

function look(cluster: KafkaCluster, topic: string): Promise<Look> {
  return cluster.atConfirmedLeader(topic, async (connection) => {
    // By the leader alone: asked for all, it says that replicas are missing before it looks at sizes.
    const probe = produceRequest([{ topic, batch: encodeBatch([]) }], produceTimeoutMs, 'leader');
    const code = (await connection.send(probe)).get(topic)?.errorCode;
    if (code !== codes.messageTooLarge && code !== codes.invalidRecord) checkCode(topic, code, 'probing');
    const leaderEnd = await leaderEndOf(connection, topic);
    const { responses } = await connection.send(listOffsetsRequest(topic, 'latest'));
    const partition = responses[0]?.partitions[0];
    checkCode(topic, partition?.errorCode, 'reading the end of');
    return {
      leader: nameOf(connection.address),
      isSealed: code === codes.messageTooLarge,
      replicatedEnd: Number(partition?.offset),
      leaderEnd,
    };
  });
}

/** The end of the leader's log is that of its highest epoch: epochs count changes of leader, so few questions find it. */
async function leaderEndOf(connection: KafkaConnection, topic: string): Promise<number> {
  const endOf = async (epoch: number): Promise<number> => {
    const { errorCode, end } = await connection.send(epochEndRequest(topic, epoch));
    checkCode(topic, errorCode, 'reading the leader epochs of');
    return end;
  };
  let [known, end] = [0, await endOf(0)];
  let beyond = 1;
  for (let at = await endOf(beyond); at >= 0; at = await endOf(beyond)) {
    [known, end] = [beyond, at];
    beyond *= 2;
  }
  while (beyond - known > 1) {
    const middle = Math.floor((known + beyond) / 2);
    const at = await endOf(middle);
    if (at >= 0) [known, end] = [middle, at];
    else beyond = middle;
  }
  return end;
}
