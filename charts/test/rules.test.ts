/** The chart's Prometheus rules: each alert fires when it should, is silent when it should be, and says what to do. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { alertCases, named, type AlertCase } from './alert-cases.ts';
import { promtool } from './promtool.ts';
import { least, render } from './render.ts';
import { alerts, groupsIn, ruleFiles, rules } from './rules.ts';

test('promtool takes every rule', async () => {
  assert.match(await promtool('check', 'rules', ...ruleFiles), /SUCCESS/u);
});

test('each alert has a story in which it fires and one in which it does not', () => {
  assert.deepEqual(Object.keys(alertCases).toSorted(), alerts.map(({ alert }) => alert).toSorted());
});

test('each alert fires in its story, and is silent in the other', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chappe-rules-'));
  t.after(() => rm(folder, { recursive: true }));
  const tests = Object.entries(alertCases).flatMap(([alert, each]) => [
    storyOf(alert, each, 'fires'),
    storyOf(alert, each, 'quiet'),
  ]);
  const file = join(folder, 'stories.yaml');
  await writeFile(file, stringify({ rule_files: ruleFiles, evaluation_interval: '1m', tests }));
  assert.match(await promtool('test', 'rules', file), /SUCCESS/u);
});

test('each alert has a severity, a summary of labels that its expression leaves, and a page that says what to do', () => {
  for (const { alert, expr, labels, annotations } of alerts) {
    assert.match(labels?.['severity'] ?? '', /^(critical|warning)$/u, alert);
    const { summary = '', runbook_url: page } = annotations ?? {};
    assert.notEqual(summary, '', alert);
    for (const [, label = ''] of summary.matchAll(/\$labels\.(\w+)/gu))
      assert.match(withFigures(expr), new RegExp(`by \\([^)]*\\b${label}\\b`, 'u'), `${alert}: ${label}`);
    assert.equal(page, `docs/runbooks.md#${alert.toLowerCase()}`);
  }
  assert.equal(new Set(rules.map(({ record, alert }) => record ?? alert)).size, rules.length);
});

test('the chart hands the rules to the Prometheus Operator as they are, with links to where the pages can be read', async () => {
  const base = 'https://docs.example/runbooks.md';
  const settings = [
    'metrics.rules.enabled=true',
    'metrics.rules.labels.release=monitoring',
    `metrics.rules.runbooks=${base}`,
  ];
  const objects = (await render([...least, ...settings])).filter(({ kind }) => kind === 'PrometheusRule');
  const [object] = objects;
  assert.equal(objects.length, 1);
  assert.equal(
    (object?.metadata as { labels?: Record<string, string> } | undefined)?.labels?.['release'],
    'monitoring',
  );
  const linked = JSON.stringify(ruleFiles.flatMap(groupsIn)).replaceAll('docs/runbooks.md', base);
  assert.deepEqual(object?.spec?.['groups'], JSON.parse(linked));
  assert.deepEqual(
    (await render(least)).filter(({ kind }) => kind === 'PrometheusRule'),
    [],
  );
});

/** The expression, and those of the recorded figures in it. */
function withFigures(expr: string): string {
  const used = rules.filter(({ record }) => record !== undefined && expr.includes(record));
  return [expr, ...used.map((rule) => rule.expr)].join('\n');
}

function storyOf(alert: string, { at, ...stories }: AlertCase, story: 'fires' | 'quiet'): unknown {
  return {
    name: `${alert} ${story}`,
    interval: '1m',
    input_series: Object.entries(stories[story]).map(([series, values]) => ({ series: named(series), values })),
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alert}",alertstate="firing"})`,
        eval_time: at,
        exp_samples: story === 'fires' ? [{ labels: '{}', value: 1 }] : [],
      },
    ],
  };
}
