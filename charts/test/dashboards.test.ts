/** The chart's dashboards: they are what their source says, and ask only for metrics that there are. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { grafanaJson } from '../dashboards/dashboard.ts';
import { dashboards } from '../dashboards/dashboards.ts';
import { least, render } from './render.ts';
import { rules } from './rules.ts';

const root = join(import.meta.dirname, '..', '..');
const folder = join(root, 'charts/chappe/dashboards');
const panels = dashboards.flatMap((dashboard) => dashboard.panels);
const asked = [...panels.flatMap(({ queries }) => queries), ...rules].map(({ expr }) => expr).join('\n');
const documented = new Set(
  [...readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^\| `(chappe_\w+)` \|/gmu)].map(
    ([, name = '']) => name,
  ),
);

test('the files are what their source says', () => {
  assert.deepEqual(
    globSync('*.json', { cwd: folder }).toSorted(),
    dashboards.map(({ name }) => `${name}.json`).toSorted(),
  );
  for (const dashboard of dashboards) {
    const file = readFileSync(join(folder, `${dashboard.name}.json`), 'utf8');
    assert.equal(file, grafanaJson(dashboard), 'run `make chart-docs`');
  }
});

test('each panel has a title, a sentence, and names for its lines; titles of a dashboard are unlike', () => {
  for (const { name, panels: own } of dashboards) {
    assert.equal(new Set(own.map(({ title }) => title)).size, own.length, name);
    for (const { title, description, queries } of own) {
      assert.match(description, /^.{12,}\.$/u, title);
      assert.ok(
        queries.length > 0 && queries.every(({ legend, expr }) => legend !== '' && expr.includes('$job')),
        title,
      );
    }
  }
});

test('dashboards and rules ask for metrics of docs/metrics.md alone, and for each of them', () => {
  const known = (name: string): boolean =>
    documented.has(name.replace(/_(bucket|sum|count)$/u, '')) || documented.has(name);
  const used = new Set([...asked.matchAll(/\bchappe_\w+/gu)].map(([name]) => name));
  assert.deepEqual(
    [...used].filter((name) => !known(name)),
    [],
  );
  const unused = [...documented].filter(
    (name) => !['', '_bucket', '_sum', '_count'].some((end) => used.has(name + end)),
  );
  assert.deepEqual(unused, []);
});

test('recorded figures that are asked for are recorded', () => {
  const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
  const used = new Set([...asked.matchAll(/\bchappe:[\w:]+/gu)].map(([name]) => name));
  assert.deepEqual(
    [...used].filter((name) => !recorded.has(name)),
    [],
  );
  assert.deepEqual(
    [...recorded].filter((name) => !used.has(name)),
    [],
  );
});

test('the chart hands the dashboards over where they are wanted', async () => {
  const objects = await render([...least, 'metrics.dashboards.enabled=true']);
  const map = objects.find(({ metadata }) => metadata.name === 'chappe-dashboards') as
    | { readonly metadata: { readonly labels?: Record<string, string> }; readonly data?: Record<string, string> }
    | undefined;
  assert.equal(map?.metadata.labels?.['grafana_dashboard'], '1');
  for (const dashboard of dashboards)
    assert.equal(map?.data?.[`chappe-${dashboard.name}.json`], grafanaJson(dashboard));
  assert.ok((await render(least)).every(({ metadata }) => metadata.name !== 'chappe-dashboards'));
});
