/** Which log a process uses: `CHAPPE_LOG`. */
import { openKafkaLog, type KafkaLogOptions } from '@chappe/log/kafka-log';
import type { Log } from '@chappe/log/log';
import { openSqliteLog } from '@chappe/log/sqlite-log';
import { z } from 'zod';
import { expectOwnTopics } from './cluster-mark.ts';
import { clusterNameOf, type CoordinationConfig } from './coordination-driver.ts';
import { driverVariable, pathAfter } from './driver-variable.ts';
import { readTlsFiles, tlsVariables } from './access-variables.ts';
import { withTopicPrefix } from './topic-prefix.ts';
import { numberIn, readServerUrl } from './server-url.ts';

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

export const logVariables = {
  /**
   * `sqlite:<path>`, or `kafka://host:port,host:port?replication=4&min-in-sync=2&prefix=chappe.`.
   * `replication` is on how many brokers a topic lies (absent: 1), `min-in-sync` how many of them must
   * have an append (absent: half of them, rounded up), `prefix` how all names of topics begin
   * (absent: with nothing), for brokers that others use as well.
   */
  CHAPPE_LOG: driverVariable('sqlite:data/log.sqlite', readDriver),
  ...tlsVariables('CHAPPE_LOG'),
  /** Given: logs in by SASL. */
  CHAPPE_LOG_USERNAME: z.string().optional(),
  CHAPPE_LOG_PASSWORD: z.string().optional(),
  CHAPPE_LOG_SASL: z.enum(mechanisms).default('scram-sha-512'),
};

const schema = z.object(logVariables);
export type LogConfig = Readonly<z.output<typeof schema>>;

type Driver =
  | { readonly kind: 'sqlite'; readonly path: string }
  | ({ readonly kind: 'kafka' } & Pick<KafkaLogOptions, 'brokers' | 'replicationFactor' | 'minInSyncReplicas'> & {
        readonly prefix: string;
      });

/** @throws LogError `unavailable` when it does not answer, `invalid` when another cluster uses it; ConfigError */
export async function openLog(config: LogConfig & Partial<CoordinationConfig>, clientId: string): Promise<Log> {
  await using opened = new AsyncDisposableStack();
  const log = opened.use(await openDriver(config, clientId));
  const cluster = clusterNameOf(config);
  if (cluster !== undefined) await expectOwnTopics(log, cluster);
  opened.move();
  return log;
}

async function openDriver(config: LogConfig, clientId: string): Promise<Log> {
  const driver = config.CHAPPE_LOG;
  if (driver.kind === 'sqlite') return openSqliteLog({ path: driver.path });
  const { brokers, replicationFactor, minInSyncReplicas, prefix } = driver;
  const tls = readTlsFiles('CHAPPE_LOG', config);
  const { CHAPPE_LOG_USERNAME: username, CHAPPE_LOG_PASSWORD: password, CHAPPE_LOG_SASL: mechanism } = config;
  const log = await openKafkaLog({
    clientId,
    brokers,
    replicationFactor,
    minInSyncReplicas,
    ...(tls === undefined ? {} : { ssl: { ca: tls.authority, cert: tls.certificate, key: tls.key } }),
    ...(username === undefined || password === undefined ? {} : { sasl: { mechanism, username, password } }),
  });
  return prefix === '' ? log : withTopicPrefix(log, prefix);
}

function readDriver(text: string): Driver {
  const path = pathAfter('sqlite:', text);
  if (path !== undefined) return { kind: 'sqlite', path };
  const url = readServerUrl(text, ['replication', 'min-in-sync', 'prefix']);
  if (url.scheme !== 'kafka') throw new Error('the log is sqlite:<path> or kafka://host:port');
  const replicationFactor = numberIn(url, 'replication', 1);
  const minInSyncReplicas = numberIn(url, 'min-in-sync', Math.ceil(replicationFactor / 2));
  if (minInSyncReplicas > replicationFactor) throw new Error('min-in-sync is at most replication');
  const prefix = url.parameters.get('prefix') ?? '';
  if (!/^[\w.-]{0,100}$/.test(prefix)) throw new Error('prefix is at most 100 letters, digits, `.`, `_` and `-`');
  return { kind: 'kafka', brokers: url.hosts, replicationFactor, minInSyncReplicas, prefix };
}
