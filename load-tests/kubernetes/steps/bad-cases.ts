/** What goes wrong at an install: each says what is amiss, hurts nothing that runs, and is mended without starting over. */
import type { AdminClient } from '@chappe/client/admin-client';
import { helm, kubectl, until } from '../../../charts/lab/kubectl.ts';
import { podsOf, type Pod } from '../pods.ts';
import { chappeValues, deploy, makeNamespace, makePeerSecret, namespace, sql, type Values } from '../releases.ts';
import { secondsText, type RunContext, type Step } from '../step.ts';
import { allReady } from './changes.ts';

const trial = 'trial';
const shownMsMax = 90_000;

export const badCases: Step = {
  name: 'bad-cases',
  what: 'a value or a secret is missing, an image cannot be pulled, two releases share a database, topics or a name, Kafka is away at a start',
  run: async (context) => {
    const figures: Record<string, string> = {};
    const complaints: string[] = [];
    const check = async (name: string, act: () => Promise<string>): Promise<void> => {
      const startedAt = performance.now();
      try {
        figures[name] = `${await act()} (${secondsText(performance.now() - startedAt)})`;
      } catch (error) {
        complaints.push(`${name}: ${error instanceof Error ? error.message : 'unknown'}`);
      }
    };
    await check('a missing value', missingValue);
    await check('an image that cannot be pulled', missingImage);
    await check('two releases on one database', sharedDatabase);
    await check('two releases on one prefix of topics', () => sharedTopics(context));
    await check('two releases of one name', () => sharedName(context));
    await check('a missing secret', missingSecret);
    await check('Kafka away at the start', kafkaAway);
    return { figures, complaints };
  },
};

async function missingValue(): Promise<string> {
  const said = await failureOf(deploy({ release: 'other', chart: 'chappe', values: { ...chappeValues, store: {} } }));
  return quoted(said, /store\.host is empty[^\n]*/u);
}

/** The job with the tables comes first, so no pod of the version before goes. */
async function missingImage(): Promise<string> {
  const before = await podsOf('chappe');
  const failing = failureOf(
    deploy({ release: 'chappe', chart: 'chappe', values: chappeValues, set: ['image.tag=nowhere'], waitSeconds: 25 }),
  );
  const problem = await problemOf('chappe', namespace, ({ problem: text }) => /ImagePull/u.test(text));
  await failing;
  const after = await podsOf('chappe');
  const gone = before.filter(({ name }) => !after.some((pod) => pod.name === name && pod.isReady));
  if (gone.length > 0) throw new Error(`${gone.map(({ name }) => name).join(', ')} went, or is not ready`);
  await helm(['rollback', 'chappe', `--namespace=${namespace}`, '--wait', '--timeout=120s']);
  return `no pod went; the hook's pod says ${quoted(problem, /\w*ImagePull\w*/u)}; rolled back`;
}

/** Another release, with a name of its own, on the database of the first. */
async function sharedDatabase(): Promise<string> {
  await inTrialNamespace();
  const failing = failureOf(deploy({ ...other(), waitSeconds: 60 }));
  const said = await logOf('migrate', /belongs to|of the cluster|another cluster|cluster/iu);
  await failing;
  await removeTrial();
  return said;
}

/** Another release, with a database of its own, on the topics of the first. */
async function sharedTopics({ installed }: RunContext): Promise<string> {
  const { admin } = installed();
  await sql(`CREATE DATABASE IF NOT EXISTS ${trial} CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin`);
  await sql(`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP ON ${trial}.* TO chappe`);
  await inTrialNamespace();
  await deploy({
    ...other(),
    set: [`store.database=${trial}`, `log.topicPrefix=${namespace}-chappe.`],
    waitSeconds: 60,
  }).catch(() => undefined);
  const said = await logOf('coordinator', /topics of this log belong/iu);
  await removeTrial();
  await sql(`DROP DATABASE ${trial}`);
  return `${said}; ${await firstIsWell(admin)}`;
}

/** Another release that says it is the same cluster: its senders have the names of the first one's. */
async function sharedName({ installed }: RunContext): Promise<string> {
  await inTrialNamespace();
  await deploy({ ...other(), set: [`cluster.name=${namespace}-chappe`], waitSeconds: 60 }).catch(() => undefined);
  const said = await logOf('sender', /is another process/u);
  const well = await firstIsWell(installed().admin);
  await removeTrial();
  return `${said}; ${well}`;
}

async function firstIsWell({ cluster }: AdminClient): Promise<string> {
  const [{ ranges }, { shards }] = [await cluster.listRanges({}), await cluster.listShards({})];
  const hurt = ranges.filter(({ problem }) => problem !== '').map(({ id, problem }) => `${id}: ${problem}`);
  if (hurt.length > 0) throw new Error(`the first release is hurt: ${hurt.join(', ')}`);
  return `all ${ranges.length} ranges of the first are well on its ${shards.length} shards`;
}

async function missingSecret(): Promise<string> {
  const values = { ...chappeValues, gateway: { ...(chappeValues['gateway'] as Values), adminKeySecret: 'forgotten' } };
  await deploy({ release: 'chappe', chart: 'chappe', values });
  const problem = await problemOf('chappe', namespace, ({ problem: text }) => /forgotten/u.test(text));
  const old = (await podsOf('chappe')).filter(({ component, isReady }) => component === 'gateway' && isReady).length;
  if (old < 2) throw new Error(`${old} gateways of the version before are left`);
  await kubectl([
    '--namespace',
    namespace,
    'create',
    'secret',
    'generic',
    'forgotten',
    '--from-literal=admin-key=admin_0123456789abcdef',
  ]);
  await allReady(12);
  await deploy({ release: 'chappe', chart: 'chappe', values: chappeValues, waitSeconds: 180 });
  await kubectl(['--namespace', namespace, 'delete', 'secret', 'forgotten']);
  return `${quoted(problem, /secret "forgotten" not found/u)}; the others go on, and it starts once the secret is there`;
}

/** Pods that start without it wait, say what for, and go on by themselves. */
async function kafkaAway(): Promise<string> {
  await kubectl(['--namespace', namespace, 'scale', 'statefulset/dev-kafka', '--replicas=0']);
  await kubectl(['--namespace', namespace, 'wait', '--for=delete', 'pod/dev-kafka-0', '--timeout=60s']);
  await kubectl([
    '--namespace',
    namespace,
    'delete',
    'pod',
    '--selector=app.kubernetes.io/component=coordinator',
    '--wait=false',
  ]);
  let said = '';
  await until('a pod says that Kafka is away', shownMsMax, async () => {
    said = await kubectl([
      '--namespace',
      namespace,
      'logs',
      '--selector=app.kubernetes.io/component=coordinator',
      '--tail=20',
    ]);
    return /dev-kafka/u.test(said);
  });
  await kubectl(['--namespace', namespace, 'scale', 'statefulset/dev-kafka', '--replicas=1']);
  await kubectl(['--namespace', namespace, 'rollout', 'status', 'statefulset/dev-kafka', '--timeout=90s']);
  const backAt = performance.now();
  await allReady(12);
  const line = said.split('\n').find((each) => each.includes('dev-kafka')) ?? '';
  const { problem = line } = jsonOf(line);
  return `"${problem.slice(0, 160)}"; all ready ${secondsText(performance.now() - backAt)} after Kafka is`;
}

function other(): Parameters<typeof deploy>[0] {
  const at = `${namespace}.svc`;
  const values = {
    ...chappeValues,
    log: { ...(chappeValues['log'] as Values), brokers: [`dev-kafka.${at}:9092`] },
    coordination: { endpoints: [`dev-etcd.${at}:2379`] },
    store: { ...(chappeValues['store'] as Values), host: `dev-mariadb.${at}` },
    gateway: { ...(chappeValues['gateway'] as Values), service: { type: 'ClusterIP' } },
    relay: { ...(chappeValues['relay'] as Values), service: { type: 'ClusterIP' } },
  };
  return { release: 'chappe', chart: 'chappe', values, namespace: trial };
}

async function inTrialNamespace(): Promise<void> {
  await makeNamespace(trial);
  await makePeerSecret(trial);
  const secret = JSON.parse(
    await kubectl(['--namespace', namespace, 'get', 'secret', 'dev-secrets', '--output=json']),
  ) as {
    readonly data: Readonly<Record<string, string>>;
  };
  const copy = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'dev-secrets' }, data: secret.data };
  await kubectl(['--namespace', trial, 'apply', '--filename', '-'], JSON.stringify(copy));
}

async function removeTrial(): Promise<void> {
  await kubectl(['delete', 'namespace', trial, '--timeout=60s']);
}

/** What a job of the trial release says. */
async function logOf(component: string, pattern: RegExp): Promise<string> {
  let found = '';
  await until(`${component} says why`, shownMsMax, async () => {
    const text = await kubectl([
      '--namespace',
      trial,
      'logs',
      `--selector=app.kubernetes.io/component=${component}`,
      '--tail=50',
    ]);
    found = text.split('\n').find((line) => pattern.test(saidIn(line))) ?? '';
    return found !== '';
  });
  return `"${saidIn(found).slice(0, 200)}"`;
}

interface LogLine {
  readonly msg?: string;
  readonly err?: { readonly message?: string };
  readonly problem?: string;
}

function saidIn(line: string): string {
  const { err, msg } = jsonOf(line);
  return err?.message ?? msg ?? line;
}

function jsonOf(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return {};
  }
}

async function problemOf(release: string, at: string, isIt: (pod: Pod) => boolean): Promise<string> {
  let found: Pod | undefined;
  await until('a pod says what is amiss', shownMsMax, async () => {
    found = (await podsOf(release, at)).find(isIt);
    return found !== undefined;
  });
  return found?.problem ?? '';
}

/** What it says when it fails. @throws Error if it does not */
async function failureOf(attempt: Promise<unknown>): Promise<string> {
  const said = await attempt.then(
    () => undefined,
    (error: unknown) => (error instanceof Error ? error.message : 'unknown'),
  );
  if (said === undefined) throw new Error('it did not fail');
  return said;
}

function quoted(text: string, pattern: RegExp): string {
  const [found] = pattern.exec(text) ?? [];
  if (found === undefined) throw new Error(`it says ${text.slice(0, 300)}`);
  return `"${found}"`;
}
