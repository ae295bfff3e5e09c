/**
 * `make scale`: what the largest cluster that was thought of (10,000 ranges on 500 shards) would ask of etcd, of each
 * process that follows its table, and of a Kafka broker. Planning times are measured by `make bench-cluster`.
 *
 *     node load-tests/scale/main.ts [--reports FOLDER]
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openEtcdCoordination } from '@chappe/coordination/etcd-coordination';
import { openKafkaLog } from '@chappe/log/kafka-log';
import { isInNamespace, runInNamespace } from '../faults/namespace.ts';
import { etcd } from '../stack/etcd.ts';
import { kafka } from '../stack/kafka.ts';
import { serversOf, stopServer } from '../stack/process-record.ts';
import { stackContext } from '../stack/stack-context.ts';
import { measureTable, type Line } from './measure-table.ts';
import { measureTopics } from './measure-topics.ts';

const { values } = parseArgs({
  options: { reports: { type: 'string', default: fileURLToPath(new URL('../reports', import.meta.url)) } },
});
const dataFolder = fileURLToPath(new URL('.data', import.meta.url));
const stack = { ...stackContext(1, print), dataFolder };
const servers = [etcd, kafka];

// The servers have fixed ports: in a namespace of its own a run meets nobody.
if (process.getuid?.() === 0 && !isInNamespace()) {
  for (const part of servers) await part.install(stack);
  process.exitCode = await runInNamespace();
} else {
  await rm(dataFolder, { recursive: true, force: true });
  try {
    await Promise.all(servers.map((part) => part.start(stack)));
    await keep([
      { title: 'The table in etcd, and a process that follows it', lines: await inEtcd() },
      { title: 'Topics on one Kafka broker', lines: await inKafka() },
    ]);
  } finally {
    for (const { name } of await serversOf(dataFolder)) await stopServer(dataFolder, name);
  }
}

function inEtcd(): Promise<Line[]> {
  const hosts = (etcd.environment(stack)['CHAPPE_ETCD_ENDPOINTS'] ?? '').split(',');
  return measureTable(() => openEtcdCoordination({ endpoints: hosts, prefix: '/chappe', clusterId: 'scale' }));
}

async function inKafka(): Promise<Line[]> {
  const brokers = (kafka.environment(stack)['CHAPPE_KAFKA_BROKERS'] ?? '').split(',');
  await using log = await openKafkaLog({ brokers, clientId: 'scale', replicationFactor: 1, minInSyncReplicas: 1 });
  const broker = (await serversOf(dataFolder)).find(({ name }) => name.startsWith('kafka'));
  return await measureTopics(log, broker?.pid ?? 0);
}

async function keep(parts: readonly { readonly title: string; readonly lines: readonly Line[] }[]): Promise<void> {
  const tables = parts.map(({ title, lines }) =>
    [
      `## ${title}`,
      '',
      '| what | measured |',
      '|---|---|',
      ...lines.map(({ what, value }) => `| ${what} | ${value} |`),
    ].join('\n'),
  );
  const made = `\`make scale\`, ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} processors with everything on them.`;
  const page = ['# A large cluster', made, ...tables].join('\n\n');
  print(page);
  await mkdir(values.reports, { recursive: true });
  await writeFile(`${values.reports}/scale.md`, `${page}\n`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
