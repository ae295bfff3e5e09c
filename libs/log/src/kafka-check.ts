/** What brokers must understand and how they must be set up, checked when the log opens and named in the error. */
import type { KafkaCluster } from './kafka-cluster.ts';
import { apiVersionsRequest, describeConfigsRequest, usedVersions } from './kafka-protocol.ts';
import { LogError } from './log-error.ts';

/** @throws LogError `unavailable` if no broker answers, `invalid` if one cannot be used. */
export async function checkBrokers(cluster: KafkaCluster): Promise<void> {
  const { apiVersions } = await cluster.askAny(apiVersionsRequest());
  for (const [apiKey, { name, version }] of usedVersions) {
    const offered = apiVersions.find((entry) => entry.apiKey === apiKey);
    if (offered === undefined || version < offered.minVersion || version > offered.maxVersion) {
      const versions = offered === undefined ? 'none' : `${offered.minVersion} to ${offered.maxVersion}`;
      throw new LogError('invalid', `this Kafka does not speak ${name} version ${version} (it has ${versions})`);
    }
  }

  await cluster.metadata([]);
  for (const nodeId of cluster.brokers.keys()) await checkSettings(cluster, nodeId);
}

/** A topic that anybody's client can create by naming it takes what nobody reads. */
async function checkSettings(cluster: KafkaCluster, nodeId: number): Promise<void> {
  const setting = 'auto.create.topics.enable';
  const { resources } = await cluster.askAny(describeConfigsRequest('broker', String(nodeId), [setting]));
  const value = resources[0]?.configEntries.find(({ configName }) => configName === setting)?.configValue;
  if (value === 'true') throw new LogError('invalid', `${setting} must be false on broker ${nodeId}`);
}
