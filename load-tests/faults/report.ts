/** The results of a run: a line for each row while it goes on, JSON, and one page to read. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type { ControlResult } from './controls.ts';
import type { RowResult } from './run-row.ts';

export interface Report {
  readonly startedAt: string;
  readonly tookMs: number;
  readonly seed: number;
  readonly perSecond: number;
  readonly handsets: number;
  readonly rows: readonly RowResult[];
  readonly controls: readonly ControlResult[];
  readonly problems: readonly string[];
}

export function formatRow(result: RowResult): string {
  const { recovery, violations, missed } = result;
  const verdict = violations.length > 0 ? 'RED' : missed.length > 0 ? 'missed' : 'green';
  return [
    `row ${String(result.no).padEnd(4)} ${verdict.padEnd(6)} ${result.name}`,
    `accepted ${result.accepted}/${result.handedOver}  violations ${violations.length}`,
    `recovery p50 ${msOf(recovery?.p50Ms)} max ${msOf(recovery?.maxMs)}`,
    `wire repeats ${result.wireRepeats ?? 'not measurable'}  refused ${refusedOf(result)}  drained ${msOf(result.drainedMs)}  seed ${result.seed}`,
    ...[...violations.slice(0, 10), ...missed, ...result.notes].map((text) => `  - ${text}`),
  ].join('\n    ');
}

export function formatControl({ name, isRed, violations, found }: ControlResult): string {
  const verdict = isRed ? 'red, as it must be' : 'NOT SEEN RED';
  return [
    `control ${name}: ${verdict} (${violations} violations)`,
    ...found.slice(0, 3).map((text) => `  - ${text}`),
  ].join('\n    ');
}

/** @returns the path of the page */
export async function writeReport(report: Report, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/faults.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  await writeFile(`${folder}/faults.html`, pageOf(report));
  return `${folder}/faults.html`;
}

function pageOf({ startedAt, tookMs, seed, perSecond, handsets, rows, controls, problems }: Report): string {
  const cells = (values: readonly (string | number)[]): string =>
    values.map((value) => `<td>${escape(String(value))}</td>`).join('');
  const rowLines = rows.map((row) => {
    const verdict = row.violations.length > 0 ? 'red' : row.missed.length > 0 ? 'missed' : 'green';
    const values = [
      row.no,
      row.name,
      row.injection,
      `${row.accepted} of ${row.handedOver}`,
      row.violations.length,
      msOf(row.recovery?.p50Ms),
      msOf(row.recovery?.maxMs),
      msOf(row.healedMs),
      msOf(row.readyMs),
      msOf(row.before?.p99Ms),
      msOf(row.othersDuring?.p99Ms),
      row.wireRepeats ?? '-',
      refusedOf(row),
      msOf(row.drainedMs),
      [...row.violations.slice(0, 5), ...row.missed, ...row.notes].join('; '),
    ];
    return `<tr class="${verdict}"><td>${verdict}</td>${cells(values)}</tr>`;
  });
  const controlLines = controls.map((control) => {
    const verdict = control.isRed ? 'red as it must be' : 'NOT SEEN RED';
    return `<tr class="${control.isRed ? 'green' : 'red'}">${cells([control.name, control.breaks, control.during, verdict, control.found.slice(0, 3).join('; ')])}</tr>`;
  });
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Chappe: fault runs</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; }
table { border-collapse: collapse; margin: 1em 0 2em; }
th, td { border: 1px solid #ccc; padding: 4px 8px; text-align: left; vertical-align: top; }
th { background: #f4f4f4; }
tr.green td:first-child { background: #d8f0d8; }
tr.missed td:first-child { background: #fff0c8; }
tr.red td:first-child { background: #f8d0d0; }
</style>
<h1>Fault runs</h1>
<p>${escape(startedAt)}, ${Math.round(tookMs / 1_000)} s, seed ${seed}, ${perSecond} messages a second to ${handsets} handsets,
${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB. One process for each service, with Kafka, etcd and MariaDB, in a network namespace of
their own. <b>green</b>: every promise held and so did the row's limits; <b>missed</b>: every promise held, a limit of time or count did not;
<b>red</b>: a promise was broken.</p>
<table>
<tr><th></th><th>row</th><th>fault</th><th>injection</th><th>accepted</th><th>violations</th><th>recovery p50</th><th>recovery max</th><th>healed after</th><th>all ready after</th>
<th>p99 before</th><th>p99 of others, during</th><th>wire repeats</th><th>refused</th><th>drained in</th><th>what was found</th></tr>
${rowLines.join('\n')}
</table>
<p>SECRET: after the run every file of topics, tables and logs was searched for the texts of the messages.</p>
<p>Recovery: for each range that the fault touches, the longest time after it in which messages waited and none was shown on a handset.
Wire repeats: envelopes pushed by relays beyond those that handsets showed; a dash where a counter was lost with its process.</p>
<h2>Positive controls</h2>
<p>Each breaks one rule on purpose; the checker must find it.</p>
<table>
<tr><th>control</th><th>what is broken</th><th>during</th><th>verdict</th><th>what the checker found</th></tr>
${controlLines.join('\n')}
</table>
${problems.length === 0 ? '' : `<h2>Problems of the run</h2><ul>${problems.map((text) => `<li>${escape(text)}</li>`).join('')}</ul>`}
</html>
`;
}

function refusedOf({ refused }: RowResult): string {
  const texts = Object.entries(refused).map(([reason, count]) => `${count} ${reason}`);
  return texts.length === 0 ? '0' : texts.join(', ');
}

function msOf(value: number | undefined): string {
  return value === undefined ? '-' : `${Math.round(value)} ms`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
