/** The page of a run: one file that a person reads, with charts, beside the JSON with the same figures. */
import { colourOf, escapeText, lineChart, shortNumber, stackedBars, type Line } from './charts.ts';
import { keepsLimit, type Figure } from './figures.ts';
import type { Latency } from './latency.ts';
import type { RunReport } from './run-report.ts';
import type { ProcessFigures, WindowResult } from './run-window.ts';
import { lawAt } from './scaling-law.ts';
import type { ScalingCurve } from './scaling.ts';

const mebibyte = 2 ** 20;
/** Windows that have charts of their own: the last of each name. A run of many short ones would be a long page. */
const detailedMax = 6;
const profileRowsMax = 25;

export function pageOf(report: RunReport): string {
  const { options, windows, figures } = report;
  const title = `${options.scenario}, ${options.mode}`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chappe load test: ${escapeText(title)}</title>
<style>${style}</style>
<main>
<header>
<p class="kind">Chappe load test</p>
<h1>${escapeText(title)}</h1>
<p class="lead">${leadOf(report)}</p>
</header>
${figures.length === 0 ? '' : section('Figures', figuresTable(figures))}
${report.scaling === undefined ? '' : section('Rate against shards', scalingChart(report.scaling))}
${section('Latency against rate', latencyAgainstRate(windows))}
${section('CPU a message, by part', cpuCharts(windows))}
${section('Windows', windowsTable(windows))}
${lastOfEachName(windows).slice(-detailedMax).map(windowSection).join('')}
${section('Memory and CPU by process', processTable(mostLoaded(windows)))}
${report.profile === undefined ? '' : section(`CPU of ${report.options.profiled ?? ''} by part of its code`, profileTable(report.profile))}
${section('Where and how', setUp(report))}
${section('How to read it', explanation)}
</main>
</html>
`;
}

function section(title: string, content: string): string {
  return content === '' ? '' : `<section>\n<h2>${escapeText(title)}</h2>\n${content}\n</section>`;
}

function leadOf({ windows }: RunReport): string {
  const broken = windows.reduce((sum, { problemCount }) => sum + problemCount, 0);
  const messages = windows.reduce((sum, { accepted }) => sum + accepted, 0);
  const checker =
    broken === 0
      ? '<b class="good">The checker found nothing lost, repeated or out of order.</b>'
      : `<b class="bad">The checker found ${broken} problems: these rates are no rates.</b>`;
  return `${messages.toLocaleString('en')} messages in ${windows.length} ${windows.length === 1 ? 'window' : 'windows'}. ${checker}`;
}

function figuresTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, limit, better, values } = figure;
    const isKept = keepsLimit(figure);
    const asked =
      limit === undefined ? '' : `${better === 'higher' ? 'at least' : 'at most'} ${shortNumber(limit)} ${unit}`;
    const verdict =
      isKept === undefined ? '' : isKept ? '<span class="good">kept</span>' : '<span class="bad">missed</span>';
    return [escapeText(name), `<b>${values.map((value) => shortNumber(value)).join(', ')}</b> ${unit}`, asked, verdict];
  });
  return table(['figure', 'measured', 'asked for', ''], rows);
}

function latencyAgainstRate(windows: readonly WindowResult[]): string {
  const paced = windows
    .filter((window) => window.plan.pace.kind === 'steadily' && window.toShown !== undefined && !window.isDisturbed)
    .toSorted((a, b) => a.perSecond - b.perSecond);
  if (new Set(paced.map(({ perSecond }) => perSecond)).size < 2) return '';
  const lineOf = (
    name: string,
    pick: (latency: Latency) => number,
  ): Parameters<typeof lineChart>[0]['lines'][number] => ({
    name,
    points: paced.flatMap(({ perSecond, toShown, verdict, name: window }) =>
      toShown === undefined
        ? []
        : [
            {
              x: perSecond,
              y: pick(toShown),
              isVoid: !verdict.isSustained,
              title: `${window}: ${name} ${shortNumber(pick(toShown))} ms${verdict.isSustained ? '' : ', not sustained'}`,
            },
          ],
    ),
  });
  const lines = [
    lineOf('p50', ({ p50Ms }) => p50Ms),
    lineOf('p99', ({ p99Ms }) => p99Ms),
    lineOf('p99.9', ({ p999Ms }) => p999Ms),
  ];
  return `${lineChart({ xName: 'messages a second', yName: 'due to shown, ms', lines, isLogarithmic: true, hasDots: true })}
<p class="note">Hollow: not sustained, see the table of windows for the reason.</p>`;
}

function scalingChart({ share, points, fit }: ScalingCurve): string {
  const [alone] = points;
  if (alone === undefined) return '';
  const lineOf = (name: string, isDotted: boolean, at: (shards: number) => number): Line => ({
    name,
    isDotted,
    points: points.map(({ shards }) => ({ x: shards, y: at(shards) })),
  });
  const lines: Line[] = [
    {
      name: 'measured',
      points: points.map(({ shards, perSecond }) => ({
        x: shards,
        y: perSecond,
        title: `${shards} shards: ${shortNumber(perSecond)}/s`,
      })),
    },
    lineOf('so many times the first', true, (shards) => shards * alone.perSecond),
    ...(fit === undefined ? [] : [lineOf('the law', true, (shards) => lawAt(fit, alone, shards))]),
  ];
  const law =
    fit === undefined
      ? ''
      : ` The law: N / (1 + a (N - 1) + b N (N - 1)) with a = ${shortNumber(fit.contention)} (contention) and b = ${shortNumber(fit.coherence)} (coherence).`;
  return `${lineChart({ xName: 'shards', yName: 'messages a second', lines, hasDots: true })}
<p class="note">Each shard was held to ${shortNumber(share)} of a processor.${law}</p>`;
}

function cpuCharts(windows: readonly WindowResult[]): string {
  const undisturbed = windows.filter(({ isDisturbed }) => !isDisturbed);
  const bars = (undisturbed.length > 0 ? undisturbed : windows).map(({ name, processes }) => ({
    name,
    parts: byPart(processes),
  }));
  return `${stackedBars(bars, 'µs')}
<p class="note">User and system time of all threads, divided by the messages of the window. At low rates what a process does anyway
falls on few messages.</p>`;
}

function byPart(processes: readonly ProcessFigures[]): { name: string; value: number }[] {
  const parts = new Map<string, number>();
  for (const { part, cpuUs } of processes) parts.set(part, (parts.get(part) ?? 0) + cpuUs);
  return [...parts].map(([name, value]) => ({ name, value })).toSorted((a, b) => a.name.localeCompare(b.name));
}

function windowsTable(windows: readonly WindowResult[]): string {
  const rows = windows.map((window) => {
    const { name, perSecond, shownPerSecond, accepted, toAccepted, toShown, toDelivered, eventsPerMessage, verdict } =
      window;
    const cpuUs = window.processes.reduce((sum, process) => sum + process.cpuUs, 0);
    const word = verdict.isBroken
      ? 'broken'
      : verdict.isVoid
        ? 'void'
        : verdict.isSustained
          ? 'sustained'
          : 'not sustained';
    const groups = Object.entries(window.groups).map(
      ([group, latency]) => `${escapeText(group)} ${latencyText(latency)}`,
    );
    const reasons = [...verdict.reasons, ...window.problems.slice(0, 5)].map((reason) => escapeText(reason));
    const cells = [
      escapeText(name),
      shortNumber(perSecond),
      shortNumber(shownPerSecond),
      accepted.toLocaleString('en'),
      latencyText(toAccepted),
      latencyText(toShown),
      latencyText(toDelivered),
      eventsPerMessage.toFixed(2),
      shortNumber(cpuUs),
      `${shortNumber(window.lateness.p99Ms)} ms`,
      `<span class="${verdict.isSustained ? 'good' : 'bad'}">${word}</span>`,
    ];
    const remarks = [...groups, ...reasons].map((text) => `<small>${text}</small>`);
    const below = `<tr class="remarks"><td colspan="${cells.length}">${remarks.join('')}</td></tr>`;
    return remarks.length === 0 ? row(cells, 'td') : `${row(cells, 'td')}${below}`;
  });
  const titles = [
    'window',
    'asked /s',
    'shown /s',
    'messages',
    'accepted',
    'shown',
    'delivered',
    'events',
    'CPU µs',
    'driver late',
    '',
  ];
  return `${tableOf([row(titles, 'th'), ...rows])}<p class="note">Latencies from when a message was due: p50 / p99 / p99.9 in ms.</p>`;
}

function lastOfEachName(windows: readonly WindowResult[]): WindowResult[] {
  return [...new Map(windows.map((window) => [window.name, window])).values()];
}

function windowSection(window: WindowResult): string {
  const { name, bySecond, looks } = window;
  const percentiles = lineChart({
    xName: 'second of the window',
    yName: 'due to shown, ms',
    lines: [
      { name: 'p50', points: bySecond.map(({ second, p50Ms }) => ({ x: second, y: p50Ms })) },
      { name: 'p99', points: bySecond.map(({ second, p99Ms }) => ({ x: second, y: p99Ms })) },
    ],
    isLogarithmic: true,
  });
  const over = (pick: (look: WindowResult['looks'][number]) => number): { x: number; y: number }[] =>
    looks.map((look) => ({ x: look.atMs / 1_000, y: Math.max(0, pick(look)) }));
  const waiting = lineChart({
    xName: 'second of the window',
    yName: 'waiting',
    lines: [
      { name: 'lag of the ranges', points: over(({ lag }) => lag) },
      { name: 'not answered', points: over(({ unanswered }) => unanswered) },
      { name: 'accepted, not shown', points: over(({ unshown }) => unshown) },
      { name: 'shown, event not read', points: over(({ untold }) => untold) },
    ],
  });
  const names = Object.keys(looks.at(-1)?.resident ?? {});
  const memory = lineChart({
    xName: 'second of the window',
    yName: 'resident, MiB',
    lines: names.map((process) => ({
      name: process,
      points: looks.flatMap(({ atMs, resident }) => {
        const bytes = resident[process];
        return bytes === undefined ? [] : [{ x: atMs / 1_000, y: bytes / mebibyte }];
      }),
    })),
  });
  const charts = [percentiles, waiting, memory].filter((chart) => chart !== '');
  return section(name, `<div class="charts">${charts.map((chart) => `<figure>${chart}</figure>`).join('')}</div>`);
}

function mostLoaded(windows: readonly WindowResult[]): WindowResult | undefined {
  const sustained = windows.filter(({ verdict }) => verdict.isSustained);
  return (sustained.length > 0 ? sustained : windows).toSorted((a, b) => b.perSecond - a.perSecond)[0];
}

function processTable(window: WindowResult | undefined): string {
  if (window === undefined) return '';
  const total = window.processes.reduce((sum, { cpuUs }) => sum + cpuUs, 0);
  const rows = window.processes
    .toSorted((a, b) => b.cpuUs - a.cpuUs)
    .map(({ name, cpuUs, residentBytes, peakBytes }) => [
      escapeText(name),
      `${shortNumber(cpuUs)} µs`,
      `${((100 * cpuUs) / total).toFixed(0)} %`,
      `${shortNumber(residentBytes / mebibyte)} MiB`,
      `${shortNumber(peakBytes / mebibyte)} MiB`,
    ]);
  return `<p>In the window <b>${escapeText(window.name)}</b>; peak since the process started.</p>
${table(['process', 'CPU a message', 'share', 'resident', 'peak'], rows)}`;
}

function profileTable(profile: Readonly<Record<string, number>>): string {
  const total = Object.values(profile).reduce((sum, micros) => sum + micros, 0);
  const rows = Object.entries(profile)
    .slice(0, profileRowsMax)
    .map(([part, micros], place) => {
      const share = (100 * micros) / total;
      const bar = `<div class="bar" style="width:${share.toFixed(1)}%;background:${colourOf(place)}"></div>`;
      return [escapeText(part), `${share.toFixed(1)} %`, bar];
    });
  return table(['part', 'share', ''], rows);
}

function setUp({ at, commit, options, machine, versions, shape, durability, startMs }: RunReport): string {
  const pairs: [string, string][] = [
    ['at', at],
    ['commit', `${commit}${commit.endsWith('+') ? ' (+: with changes that are not committed)' : ''}`],
    [
      'machine',
      `${machine.cpus} processors, ${machine.model}, ${machine.memoryGiB} GiB; the system, the driver and all handsets on it`,
    ],
    ['system', `${options.mode}: ${shape}; ready after ${shortNumber(startMs / 1_000)} s`],
    ['versions', listOf(versions)],
    ['durability', listOf(durability)],
    [
      'people',
      `${options.contacts} contacts with a connected handset each, Zipf exponent ${options.exponent}, in ${options.fleets} ${options.fleets === 1 ? 'process' : 'processes'}`,
    ],
    [
      'driver',
      `open loop, ${options.streams} streams a business, seed ${options.seed}, ${options.repeats === 1 ? 'once' : `${options.repeats} times`}`,
    ],
  ];
  return `<dl>${pairs.map(([name, value]) => `<dt>${name}</dt><dd>${escapeText(value)}</dd>`).join('')}</dl>`;
}

function listOf(record: Readonly<Record<string, string>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name} ${value}`)
    .join('; ');
}

const explanation = `<p>The driver hands messages over by a schedule of its own, whatever the system does; latency is counted from when a message
was due, so a message that waits in the driver is late as well. A window is <b>void</b> if the driver was more than 100 ms late for one
message in a hundred. It is <b>sustained</b> if nothing that waits grew (a line through one look a second, without the first two seconds),
nothing was refused or failed, everything came to its end afterwards, and the checker agrees. The checker keeps its own record of what was
handed over, answered, shown on handsets, told in events and charged, and is never told anything by the system's database; one message that
was lost, repeated, shown to somebody else, out of order or wrongly charged makes a window <b>broken</b>.</p>`;

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  return tableOf([row(titles, 'th'), ...rows.map((cells) => row(cells, 'td'))]);
}

function tableOf(lines: readonly string[]): string {
  return `<div class="wide"><table>${lines.join('\n')}</table></div>`;
}

function row(cells: readonly string[], kind: 'th' | 'td'): string {
  return `<tr>${cells.map((cell) => `<${kind}>${cell}</${kind}>`).join('')}</tr>`;
}

function latencyText(latency: Latency | undefined): string {
  if (latency === undefined) return '-';
  return [latency.p50Ms, latency.p99Ms, latency.p999Ms].map((value) => shortNumber(value)).join(' / ');
}

const style = `
:root { --ink: #1d2733; --soft: #5d6b7a; --line: #dde3ea; --paper: #fff; --ground: #f4f6f8; --good: #107a4b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf0; --soft: #9aa8b6; --line: #34404c; --paper: #1b232b; --ground: #12181e; --good: #57c99a; --bad: #ff8a80; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 20px 64px; }
header { margin-bottom: 20px; }
h1 { font-size: 30px; margin: 0; }
h2 { font-size: 18px; margin: 0 0 12px; }
.kind { color: var(--soft); margin: 0; text-transform: uppercase; letter-spacing: .08em; font-size: 12px; }
.lead { margin: 8px 0 0; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 18px 20px; margin: 16px 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 12px 5px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
td small { display: block; color: var(--soft); }
tr:has(+ .remarks) td { border-bottom: 0; padding-bottom: 0; }
.remarks td { padding-top: 0; padding-left: 14px; }
tr:last-child td { border-bottom: 0; }
.good { color: var(--good); }
.bad { color: var(--bad); }
.note { color: var(--soft); font-size: 13px; margin: 8px 0 0; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 20px; }
figure { margin: 0; min-width: 0; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font-size: 12px; }
figure svg text { font-size: 17px; }
svg text.total { fill: var(--ink); font-weight: 600; }
svg .grid { stroke: var(--line); }
svg .axis { stroke: var(--soft); }
svg circle.void { fill: var(--paper); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 6px 0 0; font-size: 13px; color: var(--soft); }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
.bar { height: 12px; border-radius: 2px; min-width: 2px; margin: 4px 0; }
td:has(.bar) { width: 55%; text-align: left; }
dl { display: grid; grid-template-columns: 110px 1fr; gap: 4px 12px; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; }
@media print { section { break-inside: avoid; } }
`;
