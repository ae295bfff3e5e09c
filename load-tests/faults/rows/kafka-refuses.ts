/** Row 15: Kafka is there and refuses, because too few replicas are in sync. */
import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import type { FaultCluster } from '../fault-cluster.ts';
import { bothOf, recoversAfterHealing, refusesNothing } from '../row.ts';
import type { Row } from '../row.ts';

const { ConfigResourceTypes, Kafka, logLevel } = kafkajs;
const setting = 'min.insync.replicas';
/** The source of what was set for the topic itself; altering replaces all of them. */
const ofTopic = 1;

export const kafkaRefuses: Row = {
  no: 15,
  name: 'Kafka refuses: too few in-sync replicas',
  injection: `${setting} of all range topics is 2 for 8 s, with one broker`,
  faultMs: 8_000,
  afterMs: 12_000,
  inject: ({ cluster }) => withAdmin((admin) => setAll(admin, cluster, '2')),
  heal: ({ cluster }) => withAdmin((admin) => setAll(admin, cluster, '1')),
  acceptance: bothOf(recoversAfterHealing(10_000), refusesNothing, ({ answeredDuring }) =>
    answeredDuring === 0 ? [] : [`${answeredDuring} messages were accepted while nothing could be written`],
  ),
};

async function withAdmin(act: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = new Kafka({ brokers: ['127.0.0.1:19092'], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await act(admin);
  } finally {
    await admin.disconnect();
  }
}

async function setAll(admin: Admin, { name }: FaultCluster, value: string): Promise<void> {
  const topics = (await admin.listTopics()).filter((topic) => topic.startsWith(`${name}.range-`));
  const type = ConfigResourceTypes.TOPIC;
  const described = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((topic) => ({ type, name: topic })),
  });
  await admin.alterConfigs({
    validateOnly: false,
    resources: described.resources.map(({ resourceName, configEntries }) => ({
      type,
      name: resourceName,
      configEntries: [
        ...configEntries
          .filter(({ configSource, configName }) => (configSource as number) === ofTopic && configName !== setting)
          .map(({ configName, configValue }) => ({ name: configName, value: configValue })),
        { name: setting, value },
      ],
    })),
  });
}
