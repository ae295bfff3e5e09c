/** The files of docs/eks.md: objects that Kubernetes takes, and values that the chart takes. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import { renderWith } from './render.ts';
import { kubernetesSchemas, tool } from './tools.ts';

const run = promisify(execFile);
const folder = join(import.meta.dirname, '../../docs/eks');
const page = readFileSync(join(folder, '../eks.md'), 'utf8');

test('every object is one that Kubernetes takes; those of cert-manager and External Secrets have no description here', async () => {
  const schemas = join(await kubernetesSchemas(), '{{ .ResourceKind }}{{ .KindSuffix }}.json');
  const others = 'Certificate,Issuer,ClusterIssuer,ExternalSecret,ClusterSecretStore';
  const files = ['etcd.yaml', 'certificates.yaml', 'secrets.yaml'].map((name) => join(folder, name));
  const words = ['-strict', '-summary', '-skip', others, '-schema-location', schemas, ...files];
  const { stdout } = await run(await tool('kubeconform'), words);
  assert.match(stdout, /Valid: 6, Invalid: 0, Errors: 0, Skipped: 13/u);
});

test('the chart takes the values, and every secret that it names is made by the page', async () => {
  const objects = await renderWith(['--values', join(folder, 'values.yaml')]);
  const text = JSON.stringify(objects);
  const made =
    page + readFileSync(join(folder, 'secrets.yaml'), 'utf8') + readFileSync(join(folder, 'certificates.yaml'), 'utf8');
  // The chart's own request makes that of the services.
  const names = new Set(
    [...text.matchAll(/"(?:secretName|name)":"([a-z-]+)"(?:,"(?:key|defaultMode|items)")/gu)].map(
      ([, name]) => name ?? '',
    ),
  );
  names.delete('chappe-peers');
  assert.ok(names.size >= 8, [...names].join());
  for (const name of names) assert.match(made, new RegExp(`\\b${name}\\b`, 'u'), `nobody makes the secret ${name}`);
});

test('the cluster has its nodes in two zones, and a witness in a third one that takes nothing else', () => {
  const { availabilityZones, managedNodeGroups } = parse(readFileSync(join(folder, 'cluster.yaml'), 'utf8')) as {
    availabilityZones: readonly string[];
    managedNodeGroups: readonly {
      name: string;
      availabilityZones: readonly string[];
      taints?: readonly { key: string }[];
    }[];
  };
  assert.deepEqual(
    managedNodeGroups.flatMap(({ availabilityZones: zones }) => zones),
    availabilityZones,
  );
  const tainted = managedNodeGroups.filter(({ taints = [] }) => taints.length > 0).map(({ name }) => name);
  assert.deepEqual(tainted, ['witness']);
});

test('every file that the page names is there', () => {
  for (const [, name = ''] of page.matchAll(/docs\/eks\/([\w.-]+)/gu))
    assert.doesNotThrow(() => readFileSync(join(folder, name)), name);
});
