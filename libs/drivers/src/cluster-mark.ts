/**
 * Whose topics and tables these are. The first process of a cluster writes its name into the log and the
 * store, and every later one compares: two clusters that share topics or tables would read each other's messages and
 * take each other's ranges. Etcd's prefix is marked by its own driver, with the same name.
 */
import { LogError } from '@chappe/log/log-error';
import type { Log } from '@chappe/log/log';
import { StoreError, type Store } from '@chappe/store/store';

/** Its first record counts, whoever appends more at the same time. */
const markTopic = 'cluster';

/** @throws LogError `invalid`: the topics belong to another cluster */
export async function expectOwnTopics(log: Log, cluster: string): Promise<void> {
  await log.createTopic(markTopic);
  const first = async (): Promise<string | undefined> => (await log.readAt(markTopic, 0, 1))[0]?.headers.id;
  if ((await first()) === undefined) {
    const record = { key: markTopic, headers: { kind: 'cluster', id: cluster, version: 1 }, value: new Uint8Array(0) };
    const [result] = await log.append([{ topic: markTopic, records: [record] }]);
    if (result?.kind === 'failed') throw result.error;
  }
  const owner = await first();
  if (owner === cluster) return;
  throw new LogError(
    'invalid',
    `the topics of this log belong to the cluster ${owner ?? ''}, and this is ${cluster}: give each cluster a prefix of its own (?prefix=)`,
  );
}

/** @throws StoreError `invalid`: the tables belong to another cluster */
export async function expectOwnTables(store: Store, cluster: string): Promise<void> {
  await store.transaction((tx) => tx.run(createMarkTable));
  await store.transaction((tx) => tx.insert(markTable, [[1, cluster]], 'ignore'));
  const [row] = await store.query('SELECT name FROM cluster_mark');
  const owner = row?.['name'];
  if (owner === cluster) return;
  throw new StoreError(
    'invalid',
    `the tables of this database belong to the cluster ${String(owner)}, and this is ${cluster}: give each cluster a database of its own`,
  );
}

const markTable = { name: 'cluster_mark', key: ['only'], columns: ['only', 'name'] } as const;

/** Written by whoever comes first; one row. */
const createMarkTable = `
  CREATE TABLE IF NOT EXISTS cluster_mark (
    only INTEGER NOT NULL,
    name VARCHAR(200) NOT NULL,
    PRIMARY KEY (only)
  )`;
