/** docs/metrics.md against what a node registers, names, types and labels, and against every name in the source. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPlacementEvents } from '@chappe/coordinator/placement-events';
import { processMetrics } from '@chappe/telemetry/process-metrics';
import { openTelemetry } from '@chappe/telemetry/telemetry';
import { startTestNode } from './test-node.ts';

interface Described {
  readonly type: string;
  readonly labels: readonly string[];
}

test('docs/metrics.md has exactly the metrics of a node, with their types and labels', async () => {
  const telemetry = openTelemetry({ service: 'test', level: 'error' });
  // Which a node has no use for, and a coordinator process of its own does.
  openPlacementEvents(telemetry);
  // With a clock of the caller's, crypto runs in this thread and shares the registry.
  await using node = await startTestNode(undefined, { now: Date.now, telemetry: () => telemetry });
  // What belongs to the process and not to the node.
  processMetrics(telemetry.metrics, { isReady: () => true, certificates: [] });
  const types = typesOf(await node.node.metrics());
  const registered = new Map<string, Described>(
    telemetry.metrics.getMetricsAsArray().map((metric) => {
      const labels: unknown = 'labelNames' in metric ? metric.labelNames : undefined;
      const type = types.get(metric.name) ?? 'not shown at all';
      return [metric.name, { type, labels: Array.isArray(labels) ? labels.map(String) : [] }];
    }),
  );
  const documented = readTables(await readFile(join(import.meta.dirname, '../../../docs/metrics.md'), 'utf8'));
  assert.deepEqual([...documented.keys()].toSorted(), [...registered.keys()].toSorted());
  for (const [name, described] of registered) assert.deepEqual(documented.get(name), described, name);
});

test('every metric that the source names is registered by a node or a process, so that it is in docs/metrics.md', async () => {
  const root = join(import.meta.dirname, '../../..');
  const files = globSync('{libs,services}/*/src/**/*.ts', { cwd: root, exclude: ['**/gen/**'] });
  const named = files.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/'(chappe_[a-z0-9_]+)'/g)].map(([, name = '']) => name),
  );
  const documented = readTables(await readFile(join(root, 'docs/metrics.md'), 'utf8'));
  const metrics = named.filter((name) =>
    /^chappe_(gateway|coordinator|sender|crypto|relay|billing|rpc|process|tls)_/.test(name),
  );
  assert.deepEqual(new Set(metrics), new Set(documented.keys()));
});

/** By name, from the text form of Prometheus. */
function typesOf(text: string): Map<string, string> {
  return new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]));
}

function readTables(document: string): Map<string, Described> {
  const rows = [...document.matchAll(/^\| `(chappe_\w+)` \| (\w+) \|([^|]*)\| [^|]+ \|$/gm)];
  return new Map(
    rows.map(([, name = '', type = '', labels = '']) => {
      return [name, { type, labels: [...labels.matchAll(/`(\w+)`/g)].map(([, label = '']) => label) }];
    }),
  );
}
