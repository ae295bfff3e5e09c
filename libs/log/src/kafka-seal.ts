/**
 * Sealing a topic in Kafka: `max.message.bytes` of 1, so that its leader refuses every batch.
 *
 * The setting reaches leaders a moment after it is made, so the leader is probed with a batch that no
 * leader ever appends, an empty one: it is refused as too large once the seal is in force and as empty
 * before. Then the end is read, and after a pause everything is asked again: an append that had passed the leader's
 * check of sizes before the seal is in the log by then. The end stands if nothing has changed, the leader epoch
 * neither; a leader that died in between begins the whole anew.
 *
 * Replicated end and the leader's own end must agree too: what the leader took before the seal and has
 * not replicated yet would otherwise move the end later.
 *
 * Producers wait meanwhile, so the questions of one look travel together. Their order does not count: the ends that
 * are returned were read after the probe of the look before.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { encodeBatch } from './kafka-batch.ts';
import type { KafkaCluster } from './kafka-cluster.ts';
import type { LeaderAddress } from './kafka-cluster.ts';
import { nameOf } from './kafka-connection.ts';
import type { KafkaConnection } from './kafka-connection.ts';
import { checkCode, codes } from './kafka-error.ts';
import {
  batchBytesMax,
  produceTimeoutMs,
  sealedBatchBytesMax,
  sealPollMs,
  sealSettleMs,
  sealTimeoutMs,
} from './kafka-limits.ts';
import { alterTopicRequest, leaderEndRequest, listOffsetsRequest, produceRequest } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';

/** One look at a topic's leader. */
interface Look {
  /** With its leader epoch. */
  readonly leader: string;
  readonly isSealed: boolean;
  readonly replicatedEnd: number;
  readonly leaderEnd: number;
}

export async function sealTopic(cluster: KafkaCluster, topic: string): Promise<number> {
  await setBatchBytesMax(cluster, topic, sealedBatchBytesMax);
  const deadline = performance.now() + sealTimeoutMs;
  for (;;) {
    const first = await cluster.atLeader(topic, lookAt(topic));
    if (isSettled(first)) {
      await pause(sealSettleMs);
      const second = await cluster.atConfirmedLeader(topic, lookAt(topic));
      const isSame = second.leader === first.leader && second.replicatedEnd === first.replicatedEnd;
      if (isSame && isSettled(second)) return second.replicatedEnd;
    }
    if (performance.now() > deadline) {
      throw new LogError('unavailable', `${topic}: the seal is not in force everywhere yet; seal again`);
    }
    await pause(sealPollMs);
  }
}

export async function unsealTopic(cluster: KafkaCluster, topic: string): Promise<void> {
  await setBatchBytesMax(cluster, topic, batchBytesMax);
  const deadline = performance.now() + sealTimeoutMs;
  while ((await cluster.atConfirmedLeader(topic, lookAt(topic))).isSealed) {
    if (performance.now() > deadline) throw new LogError('unavailable', `${topic} is still sealed; unseal again`);
    await pause(sealPollMs);
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

function lookAt(topic: string): (connection: KafkaConnection, leader: LeaderAddress) => Promise<Look> {
  return async (connection, leader) => {
    // By the leader alone: asked for all, it says that replicas are missing before it looks at sizes.
    const probe = produceRequest([{ topic, batch: encodeBatch([]) }], produceTimeoutMs, 'leader');
    const [probed, own, replicated] = await Promise.all([
      connection.send(probe),
      connection.send(leaderEndRequest(topic, leader.epoch)),
      connection.send(listOffsetsRequest(topic, 'latest')),
    ]);
    const code = probed.get(topic)?.errorCode;
    if (code !== codes.messageTooLarge && code !== codes.invalidRecord) checkCode(topic, code, 'probing');
    checkCode(topic, own.errorCode, 'reading the own end of the leader of');
    const partition = replicated.responses[0]?.partitions[0];
    checkCode(topic, partition?.errorCode, 'reading the end of');
    return {
      leader: `${nameOf(leader)} since epoch ${leader.epoch}`,
      isSealed: code === codes.messageTooLarge,
      replicatedEnd: Number(partition?.offset),
      leaderEnd: own.end,
    };
  };
}
