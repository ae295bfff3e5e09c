/** The check itself, in a network where all ports are its own. */
import { writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { dashboards } from '../../charts/dashboards/dashboards.ts';
import type { Dashboard, Panel } from '../../charts/dashboards/dashboard.ts';
import { runClusterDemo } from '../cluster/demo.ts';
import { identityOfCluster } from '../cluster/environment.ts';
import { startClusterTarget } from '../load/cluster-target.ts';
import { runCommand } from '../stack/process-record.ts';
import { mayBeEmpty } from './may-be-empty.ts';
import { pageOf, type Drawn } from './page.ts';
import { job, Prometheus, type Line } from './prometheus.ts';

/** A little over a minute of load: rates are of the last one. */
const load = { messages: 9_000, perSecond: 100 };
/** Metrics that are looked for each minute, and the last scrapes. */
const afterLoadMs = 20_000;

const reports = fileURLToPath(new URL('../reports', import.meta.url));
const pictures = fileURLToPath(new URL('../../docs/pictures', import.meta.url));

/** @returns the exit code */
export async function checkDashboards(folder: string): Promise<number> {
  await using _ = await startClusterTarget({}, `${folder}/servers`);
  await using prometheus = await Prometheus.start(`${folder}/prometheus`);
  const from = Date.now() / 1_000;
  const demo = await runClusterDemo(await identityOfCluster(), { ...load, signal: new AbortController().signal });
  await pause(afterLoadMs);
  const to = Date.now() / 1_000;
  const problems: string[] = demo === 0 ? [] : ['the tally of what was shown does not agree'];
  for (const dashboard of dashboards) {
    const drawn: Drawn[] = [];
    for (const panel of dashboard.panels) drawn.push(await ask(prometheus, dashboard, panel, [from, to], problems));
    const page = `${folder}/${dashboard.name}.html`;
    await writeFile(page, pageOf(dashboard, drawn));
    await takePicture(page, `${pictures}/dashboard-${dashboard.name}.png`, drawn.length, folder);
  }
  await writeFile(`${reports}/dashboards.md`, reportOf(problems, to - from));
  process.stdout.write(`${problems.length === 0 ? 'every panel has an answer' : problems.join('\n')}\n`);
  return problems.length === 0 ? 0 : 1;
}

async function ask(
  prometheus: Prometheus,
  { name }: Dashboard,
  panel: Panel,
  [from, to]: readonly [number, number],
  problems: string[],
): Promise<Drawn> {
  const place = `${name}/${panel.title}`;
  const found: { readonly legend: string; readonly lines: readonly Line[] }[] = [];
  for (const { expr, legend } of panel.queries) {
    const query = expr.replaceAll('$job', job).replaceAll('$__rate_interval', '1m');
    try {
      found.push({ legend, lines: await prometheus.range(query, from, to) });
    } catch (error) {
      problems.push(`${place}: ${error instanceof Error ? error.message : 'unknown'}: ${query}`);
    }
  }
  const isEmpty = found.some(({ lines }) => !lines.some(({ values }) => values.some(([, value]) => value !== 'NaN')));
  if (isEmpty && mayBeEmpty[place] === undefined) problems.push(`${place}: a question of it finds nothing`);
  return { panel, found };
}

async function takePicture(page: string, picture: string, panels: number, folder: string): Promise<void> {
  const height = 90 + Math.ceil(panels / 3) * 246;
  await runCommand('chromium', [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--hide-scrollbars',
    `--user-data-dir=${folder}/chromium`,
    `--window-size=1280,${height}`,
    `--screenshot=${picture}`,
    `file://${page}`,
  ]);
}

function reportOf(problems: readonly string[], seconds: number): string {
  const questions = dashboards.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries));
  const panels = dashboards.flatMap((dashboard) => dashboard.panels);
  return [
    '# Dashboards against a real Prometheus',
    '',
    'Made by `make dashboards-check`: the local cluster of two zones under load with a sender killed in the middle, scraped by a real',
    'Prometheus with the labels that the PodMonitor gives and the rules of the chart. The pictures in docs/pictures are drawn from its answers.',
    '',
    '| | |',
    '|---|---|',
    `| at | ${new Date().toISOString().slice(0, 16)}Z |`,
    `| scraped for | ${Math.round(seconds)} s |`,
    `| messages | ${load.messages} at ${load.perSecond}/s |`,
    `| panels, questions | ${panels.length}, ${questions.length} |`,
    `| problems | ${problems.length === 0 ? 'none' : problems.join('<br>').replaceAll('|', '\\|')} |`,
    '',
    'Panels that may be empty:',
    '',
    ...Object.entries(mayBeEmpty).map(([place, reason]) => `- ${place}: ${reason}`),
    '',
  ].join('\n');
}
