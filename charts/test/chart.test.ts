/** The chart without a cluster: what helm makes of it, held against Kubernetes' own description of its objects. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  chartFolder,
  kubeVersion,
  least,
  most,
  render,
  renderText,
  type Container,
  type KubernetesObject,
} from './render.ts';
import { readers, services } from './readers.ts';
import { kubernetesSchemas, tool } from './tools.ts';
import { readmeWithTable } from './values-table.ts';

const run = promisify(execFile);

test('helm finds nothing to mend', async () => {
  const settings = least.flatMap((value) => ['--set', value]);
  const { stdout } = await run(await tool('helm'), [
    'lint',
    '--strict',
    '--kube-version',
    kubeVersion,
    chartFolder('chappe'),
    ...settings,
  ]);
  assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/u);
});

for (const [name, values] of [
  ['least', least],
  ['most', most],
] as const) {
  test(`every object is one that Kubernetes takes, field by field (${name} values)`, async () => {
    const schemas = join(await kubernetesSchemas(), '{{ .ResourceKind }}{{ .KindSuffix }}.json');
    const text = await renderText(values);
    const checking = run(await tool('kubeconform'), ['-strict', '-summary', '-schema-location', schemas, '-']);
    checking.child.stdin?.end(text);
    const { stdout } = await checking;
    assert.match(stdout, /Invalid: 0, Errors: 0, Skipped: 0/u);
  });
}

test('a value that is missing is named, with what to write', async () => {
  for (const [value, hint] of [
    ['log.brokers', /log\.brokers is empty: give Kafka's bootstrap servers/u],
    ['coordination.endpoints', /coordination\.endpoints is empty: give etcd's members/u],
    ['store.host', /store\.host is empty/u],
    ['store.secret', /store\.secret is empty.*kubectl create secret/u],
    ['gateway.adminKeySecret', /gateway\.adminKeySecret is empty.*kubectl create secret/u],
    ['crypto.keysSecret', /crypto\.keysSecret is empty.*keep a copy.*kubectl create secret/u],
    ['relay.codes.url', /relay\.codes\.url is empty.*toFile/u],
  ] as const)
    await assert.rejects(render(least.filter((each) => !each.startsWith(value))), hint);
  await assert.rejects(render([...least, 'store.tls.enabled=true']), /store\.tls\.secret is empty/u);
  await assert.rejects(render([...least, 'peers.certManager.enabled=true']), /certManager\.issuer is empty/u);
  await assert.rejects(render([...least, 'sender.scaling.apply=true']), /sender\.scaling\.most is 0.*--set/u);
  const apply = ['sender.scaling.apply=true', 'sender.scaling.most=4'];
  await assert.rejects(render([...least, ...apply]), /set coordinator\.kubernetes\.enabled=true/u);
  await assert.rejects(render([...most, 'sender.scaling.external=true']), /only one may set the number/u);
  await assert.rejects(render([...most, 'sender.scaling.least=13']), /most is below sender\.scaling\.least/u);
  await assert.rejects(render([...least, 'log.minInSync=5']), /minInSync is above log\.replication/u);
});

test('a value that is wrong or unknown is refused by its name', async () => {
  for (const [value, hint] of [
    ['sender.replica=4', /sender.*replica/u],
    ['sender.replicas=0', /sender[./]replicas/u],
    ['log.brokers={b-1.example}', /log[./]brokers/u],
    ['image.digest=abc', /image[./]digest/u],
    ['cluster.initialBounds=3;4', /initialBounds/u],
    ['store.host=mysql://db', /store[./]host/u],
  ] as const)
    await assert.rejects(render([...least, value]), hint);
});

test('each service reads its configuration from what its pod is given', async () => {
  for (const values of [least, most]) {
    const objects = await render(values);
    for (const service of services) {
      const { env = [], args } = containerOf(objects, service);
      assert.deepEqual(args, [service]);
      // What comes from secrets and from the pod itself stands here for a text.
      const environment = Object.fromEntries(env.map(({ name, value }) => [name, value ?? 'a-text-of-length']));
      assert.doesNotThrow(() => readers[service](environment), service);
    }
  }
});

test('callers find the replicas that there are: each address is a service of the chart, at a port of its pods', async () => {
  const objects = await render(most);
  const known = new Map(
    objects
      .filter(({ kind }) => kind === 'Service')
      .map(({ metadata, spec }) => [metadata.name, (spec?.['ports'] ?? []) as { port: number }[]]),
  );
  const addresses = addressesIn(objects);
  assert.equal(addresses.length, 6);
  for (const [address, name = '', port] of addresses)
    assert.ok(
      known.get(name)?.some((each) => each.port === Number(port)),
      address,
    );
});

test("pods are restricted: no root, no rights, nothing to write on, no token but the coordinator's", async () => {
  for (const { kind, spec } of await render(most)) {
    const pod = spec?.template?.spec;
    if (pod === undefined) continue;
    const isAllowedToAsk = pod.serviceAccountName === 'chappe-coordinator';
    assert.equal(pod.automountServiceAccountToken, isAllowedToAsk, kind);
    assert.equal(pod.securityContext?.['runAsNonRoot'], true);
    assert.deepEqual(pod.securityContext?.['seccompProfile'], { type: 'RuntimeDefault' });
    for (const { securityContext } of pod.containers) {
      assert.equal(securityContext?.['allowPrivilegeEscalation'], false);
      assert.equal(securityContext?.['readOnlyRootFilesystem'], true);
      assert.deepEqual(securityContext?.['capabilities'], { drop: ['ALL'] });
    }
    const mounted = pod.containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name));
    const there = (pod.volumes ?? []).map(({ name }) => String(name));
    assert.deepEqual(new Set(mounted), new Set(there), `${kind}: what is mounted is there, and is used`);
  }
});

test('nobody may ask Kubernetes anything, unless the coordinator is to: then it reads pods and nodes, and scales the senders alone', async () => {
  const rights = async (values: readonly string[]) =>
    (await render(values)).flatMap(({ kind, rules = [] }) =>
      rules.map(({ resources, resourceNames, verbs }) =>
        [kind, ...resources, ...(resourceNames ?? []), '-', ...verbs].join(' '),
      ),
    );
  assert.deepEqual(await rights(least), []);
  const reading = ['Role pods - get list watch', 'ClusterRole nodes - get list watch'];
  const scale = 'Role statefulsets/scale chappe-sender -';
  assert.deepEqual(
    (await rights([...least, 'coordinator.kubernetes.enabled=true'])).toSorted(),
    [...reading, `${scale} get`].toSorted(),
  );
  assert.deepEqual((await rights(most)).toSorted(), [...reading, `${scale} get patch`].toSorted());
  const objects = await render(most);
  for (const service of services) {
    const account = workloadOf(objects, service).spec?.template?.spec.serviceAccountName;
    assert.equal(account, service === 'coordinator' ? 'chappe-coordinator' : 'chappe');
  }
});

test('each service is spread over zones by version, and one at a time may be away', async () => {
  const objects = await render(least);
  for (const service of services) {
    const [zone] = workloadOf(objects, service).spec?.template?.spec.topologySpreadConstraints ?? [];
    assert.equal(zone?.['topologyKey'], 'topology.kubernetes.io/zone');
    assert.equal(zone['nodeTaintsPolicy'], 'Honor');
    assert.deepEqual(zone['matchLabelKeys'], [service === 'sender' ? 'controller-revision-hash' : 'pod-template-hash']);
    const budget = objects.find(
      ({ kind, metadata }) => kind === 'PodDisruptionBudget' && metadata.name === `chappe-${service}`,
    );
    assert.equal(budget?.spec?.['maxUnavailable'], 1);
  }
});

test('the certificate of cert-manager names every address that services call each other by', async () => {
  const values = [...least, 'peers.certManager.enabled=true', 'peers.certManager.issuer=internal'];
  const objects = await render(values);
  const names = objects.find(({ kind }) => kind === 'Certificate')?.spec?.['dnsNames'] as readonly string[];
  const called = addressesIn(objects).map(([address]) => address.replace(/:\d+$/u, ''));
  for (const address of called) {
    const isNamed = names.some((name) => name === address || name === `*.${address}`);
    assert.ok(isNamed, `${address} is in no certificate`);
  }
  const volumes = workloadOf(objects, 'sender').spec?.template?.spec.volumes ?? [];
  assert.ok(volumes.some(({ name }) => name === 'peer-tls'));
});

test('what a sender takes and how long a scale-down waits is told to the processes, and refused out of bounds', async () => {
  const values = ['sender.capacity=900', 'sender.scaling.quietSeconds=60', 'sender.scaling.drainSeconds=120'];
  const objects = await render([...most, ...values]);
  const toldTo = (service: string, variable: string): string | undefined =>
    workloadOf(objects, service).spec?.template?.spec.containers[0]?.env?.find(({ name }) => name === variable)?.value;
  assert.equal(toldTo('sender', 'CHAPPE_SHARD_CAPACITY'), '900');
  assert.equal(toldTo('coordinator', 'CHAPPE_SENDERS_QUIET_SECONDS'), '60');
  assert.equal(toldTo('coordinator', 'CHAPPE_SENDERS_DRAIN_SECONDS'), '120');
  await assert.rejects(render([...most, 'sender.scaling.quietSeconds=5']), /quietSeconds/u);
  await assert.rejects(render([...most, 'sender.capacity=0']), /capacity/u);
});

test('tables are brought up to date before anything starts', async () => {
  const job = (await render(least)).find(({ kind }) => kind === 'Job');
  assert.equal(job?.metadata.annotations?.['helm.sh/hook'], 'pre-install,pre-upgrade');
  assert.deepEqual(job?.spec?.template?.spec.containers[0]?.args, ['migrate']);
});

test("`helm test` asks a gateway for its ranges, with the operator's key", async () => {
  const pod = (await render(least)).find(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'test');
  const [container] = (pod?.spec?.['containers'] ?? []) as readonly Container[];
  assert.deepEqual(container?.args, ['ranges', '--check']);
  assert.deepEqual(
    container.env?.map(({ name }) => name),
    ['CHAPPE_ADDRESS', 'CHAPPE_ADMIN_KEY'],
  );
});

test('`helm test` speaks TLS with a gateway that does: by the authority in its secret or one that everybody trusts, without its key', async () => {
  const testOf = async (...values: string[]): Promise<KubernetesObject | undefined> =>
    (await render([...least, 'gateway.tlsSecret=chappe-tls', ...values])).find(
      ({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'test',
    );
  const environmentOf = (pod: KubernetesObject | undefined): Record<string, string | undefined> => {
    const [container] = (pod?.spec?.['containers'] ?? []) as readonly Container[];
    return Object.fromEntries((container?.env ?? []).map(({ name, value }) => [name, value]));
  };
  const own = await testOf('tests.serverName=messages.example');
  const [volume] = (own?.spec?.['volumes'] ?? []) as readonly { secret?: Readonly<Record<string, unknown>> }[];
  assert.equal(volume?.secret?.['secretName'], 'chappe-tls');
  assert.deepEqual(volume.secret['items'], [{ key: 'ca.crt', path: 'ca.crt' }]);
  const { CHAPPE_TLS_AUTHORITY: authority, CHAPPE_TLS_SERVER_NAME: serverName } = environmentOf(own);
  assert.equal(authority, '/etc/chappe/gateway-authority/ca.crt');
  assert.equal(serverName, 'messages.example');
  const known = await testOf('tests.authorityKey=');
  assert.equal(known?.spec?.['volumes'], undefined);
  assert.equal(environmentOf(known)['CHAPPE_TLS'], 'true');
  assert.ok(!('CHAPPE_TLS_AUTHORITY' in environmentOf(known)));
});

test('two releases have topics, keys and tables of different names', async () => {
  const valueOf = (objects: readonly KubernetesObject[], name: string): string | undefined =>
    containerOf(objects, 'gateway').env?.find((each) => each.name === name)?.value;
  const one = await render(least);
  const other = await render([...least, 'cluster.name=other']);
  for (const name of ['CHAPPE_LOG', 'CHAPPE_COORDINATION']) {
    assert.match(valueOf(one, name) ?? '', /messages-chappe/u);
    assert.match(valueOf(other, name) ?? '', /other/u);
  }
});

test('the README has every value', () => {
  const { now, wanted } = readmeWithTable('chappe');
  assert.equal(now, wanted, 'run `make chart-docs`');
});

/** Of the chart's services, as pods are told them: the address, its name and its port. */
function addressesIn(objects: readonly KubernetesObject[]): RegExpExecArray[] {
  return objects.flatMap((object) =>
    (object.spec?.template?.spec.containers ?? []).flatMap(({ env = [] }) =>
      env.flatMap(({ value = '' }) => [...value.matchAll(/(chappe-[a-z-]+)\.messages\.svc:(\d+)/gu)]),
    ),
  );
}

function workloadOf(objects: readonly KubernetesObject[], service: string): KubernetesObject {
  const found = objects.find(
    ({ kind, metadata }) => ['Deployment', 'StatefulSet'].includes(kind) && metadata.name === `chappe-${service}`,
  );
  assert.ok(found !== undefined, `there is no workload ${service}`);
  return found;
}

function containerOf(objects: readonly KubernetesObject[], service: string): Container {
  const [container] = workloadOf(objects, service).spec?.template?.spec.containers ?? [];
  assert.ok(container !== undefined);
  return container;
}
