/**
 * What is checked before an etcd is used: that it answers, that it is new enough, and that the
 * prefix belongs to this cluster. Two clusters that share a prefix would take each other's ranges,
 * so the first process writes the name of its cluster there, and every later one compares.
 */
import type { EtcdEndpoints } from './etcd-endpoints.ts';
import { CoordinationError } from './coordination.ts';

/** @throws CoordinationError `unavailable`, or `invalid` if the server or the prefix is the wrong one */
export async function checkEtcd(endpoints: EtcdEndpoints, identityKey: Buffer, clusterId: string): Promise<void> {
  const { version } = await endpoints.repeat((client, options) => client.maintenance.status(options));
  if (!isNewEnough(version)) {
    throw new CoordinationError(
      'invalid',
      `etcd at ${endpoints.current().endpoint} is ${version}: 3.4 or later is needed`,
    );
  }
  const owner = await claimPrefix(endpoints, identityKey, clusterId);
  if (owner !== clusterId) {
    throw new CoordinationError(
      'invalid',
      `the keys of etcd under ${identityKey.toString()} belong to the cluster ${owner}, and this is ${clusterId}: give each cluster a prefix of its own`,
    );
  }
}

/** Repeated without harm: whoever comes first has written it. */
async function claimPrefix(endpoints: EtcdEndpoints, key: Buffer, clusterId: string): Promise<string> {
  const read = { request_range: { key } };
  const { responses } = await endpoints.repeat((client, options) =>
    client.kv.txn(
      {
        compare: [{ key, target: 'Create', result: 'Equal', create_revision: 0 }],
        success: [{ request_put: { key, value: Buffer.from(clusterId) } }, read],
        failure: [read],
      },
      options,
    ),
  );
  return responses.at(-1)?.response_range.kvs[0]?.value.toString() ?? '';
}

/** The watch stream is asked whether it is there, which older ones do not understand. */
function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 3 || (major === 3 && minor >= 4);
}
