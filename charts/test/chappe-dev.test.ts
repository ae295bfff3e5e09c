/** The chart of servers for trials, without a cluster. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { chartFolder, kubeVersion, render, renderText } from './render.ts';
import { kubernetesSchemas, tool } from './tools.ts';
import { readmeWithTable } from './values-table.ts';

const run = promisify(execFile);
const folder = chartFolder('chappe-dev');

test('helm finds nothing to mend in the servers for trials', async () => {
  const { stdout } = await run(await tool('helm'), ['lint', '--strict', '--kube-version', kubeVersion, folder]);
  assert.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/u);
});

test('every object of the servers is one that Kubernetes takes, field by field, with volumes and without', async () => {
  const schemas = join(await kubernetesSchemas(), '{{ .ResourceKind }}{{ .KindSuffix }}.json');
  for (const values of [
    [],
    ['persistence.enabled=false', 'nodeSelector.pool=trials', 'tolerations[0].operator=Exists'],
  ]) {
    const text = await renderText(values, 'chappe-dev');
    const checking = run(await tool('kubeconform'), ['-strict', '-summary', '-schema-location', schemas, '-']);
    checking.child.stdin?.end(text);
    assert.match((await checking).stdout, /7 resources.*Invalid: 0, Errors: 0, Skipped: 0/u);
  }
});

test('a wrong or unknown value of the servers is refused by its name', async () => {
  for (const [value, hint] of [
    ['kafka.imag=x', /kafka.*imag/u],
    ['etcd.image=etcd', /etcd[./]image/u],
    ['persistence.size=2G', /persistence[./]size/u],
    ['replicas=3', /replicas/u],
  ] as const)
    await assert.rejects(render([value], 'chappe-dev'), hint);
});

test('the servers are restricted, and what they may write is a volume', async () => {
  for (const { kind, metadata, spec } of await render([], 'chappe-dev')) {
    if (kind !== 'StatefulSet') continue;
    const pod = spec?.template?.spec;
    assert.equal(pod?.automountServiceAccountToken, false);
    assert.equal(pod.securityContext?.['runAsNonRoot'], true);
    assert.deepEqual(pod.securityContext['seccompProfile'], { type: 'RuntimeDefault' });
    const [container] = pod.containers;
    assert.deepEqual(container?.securityContext, {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    const claims = (spec?.['volumeClaimTemplates'] ?? []) as readonly {
      readonly metadata: { readonly name: string };
    }[];
    const there = [...(pod.volumes ?? []).map(({ name }) => name), ...claims.map(({ metadata: { name } }) => name)];
    for (const { name } of container?.volumeMounts ?? []) assert.ok(there.includes(name), `${metadata.name}: ${name}`);
  }
});

test('images and settings are those of compose.yaml', async () => {
  const compose = parse(await readFile(join(folder, '..', '..', 'compose.yaml'), 'utf8')) as {
    readonly services: Readonly<
      Record<string, { readonly image: string; readonly environment?: object; readonly command?: readonly string[] }>
    >;
  };
  const objects = await render([], 'chappe-dev');
  const containerOf = (server: string) =>
    objects.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === `dev-${server}`)?.spec?.template
      ?.spec.containers[0];
  for (const server of ['kafka', 'etcd', 'mariadb']) {
    const image = compose.services[server]?.image ?? 'none';
    assert.ok(containerOf(server)?.image.endsWith(`/${image.replace(/^quay\.io\//, '')}`), server);
  }
  const given = new Map(containerOf('kafka')?.env?.map(({ name, value }) => [name, value]));
  // Where it listens, and where its data lies, is the chart's own.
  const own = /LISTENER|VOTERS$|LOG_DIRS$/;
  for (const [name, value] of Object.entries(compose.services['kafka']?.environment ?? {}))
    if (!own.test(name)) assert.equal(given.get(name), String(value), name);
  assert.deepEqual(containerOf('mariadb')?.args, compose.services['mariadb']?.command);
});

test('the values for a trial are ones that the chart of Chappe takes, and name what this chart makes', async () => {
  const values = join(folder, 'chappe-values.yaml');
  const { stdout } = await run(
    await tool('helm'),
    ['template', 'chappe', chartFolder('chappe'), '--kube-version', kubeVersion, '--values', values],
    { maxBuffer: 16 * 2 ** 20 },
  );
  const made = (await render([], 'chappe-dev')).map(({ metadata }) => metadata.name);
  const named = [...stdout.matchAll(/\bdev-[a-z]+/g)].map(([name]) => name);
  assert.deepEqual(new Set(named), new Set(made));
});

test('the README of the servers has every value', () => {
  const { now, wanted } = readmeWithTable('chappe-dev');
  assert.equal(now, wanted, 'run `make chart-docs`');
});
