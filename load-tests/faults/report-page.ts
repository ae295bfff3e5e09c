/** The page of a run: one file, without scripts, that says what was done, what held and how long it took. */
import { cpus, totalmem } from 'node:os';
import type { ControlResult } from './controls.ts';
import type { Report, RowSummary } from './report.ts';
import type { RowResult } from './run-row.ts';

const style = `
:root { --ink: #1d2433; --soft: #5b6474; --line: #e1e5ec; --page: #f6f7f9; --card: #fff;
  --green: #1b7f4b; --amber: #a86500; --red: #b3261e; --bar: #6b8fd6; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, 'DejaVu Sans', sans-serif; margin: 0; color: var(--ink); background: var(--page); }
main { max-width: 1320px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; margin: 0 0 4px; }
h2 { font-size: 19px; margin: 40px 0 6px; }
p { margin: 6px 0; max-width: 90ch; }
.soft { color: var(--soft); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 22px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 12px 16px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; }
table { width: 100%; border-collapse: collapse; background: var(--card); border: 1px solid var(--line); margin: 12px 0; }
th, td { text-align: left; vertical-align: top; padding: 8px 10px; border-bottom: 1px solid var(--line); }
th { font-size: 12px; color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.number { font-size: 14px; }
td.wide { width: 36%; }
.verdict { font-weight: 600; white-space: nowrap; }
.green { color: var(--green); } .missed { color: var(--amber); } .red { color: var(--red); }
.bar { display: block; height: 6px; border-radius: 3px; background: var(--bar); margin-top: 4px; min-width: 2px; }
ul { margin: 4px 0 0; padding-left: 18px; } li { font-size: 13px; }
li.red, li.missed { font-weight: 600; }
`;

export function pageOf(report: Report): string {
  const { startedAt, tookMs, seed, perSecond, handsets, rows, summary, controls, problems } = report;
  const longestMs = Math.max(1, ...summary.map(({ recoveryMaxMs }) => recoveryMaxMs ?? 0));
  const green = rows.filter((row) => verdictOf(row) === 'green').length;
  const seenRed = controls.filter(({ isRed }) => isRed).length;
  const sum = (of: (row: RowResult) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const tiles = [
    [`${green} of ${rows.length}`, 'rows are green'],
    [String(sum(({ violations }) => violations.length)), 'broken promises'],
    [`${seenRed} of ${controls.length}`, 'controls were seen red'],
    [sum(({ accepted }) => accepted).toLocaleString('en'), 'messages accepted under faults'],
    [`${Math.round(tookMs / 60_000)} min`, 'the whole run'],
  ];
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chappe: fault runs</title>
<style>${style}</style>
<main>
<h1>Fault runs</h1>
<p class="soft">${escape(startedAt.slice(0, 16).replace('T', ' '))} UTC, seed ${seed}, ${perSecond} messages a second to ${handsets} handsets;
${cpus().length} processors and ${Math.round(totalmem() / 2 ** 30)} GiB for everything: Kafka, etcd, MariaDB, fourteen processes of Chappe, the handsets and the checker.</p>
<div class="tiles">${tiles.map(([value, text]) => `<div class="tile"><b>${escape(value ?? '')}</b>${escape(text ?? '')}</div>`).join('')}</div>
<p><b class="green">green</b>: every promise held, and so did the row's limits. <b class="missed">missed</b>: every promise held, a limit of time or count did not.
<b class="red">red</b>: a promise was broken. The checker keeps its own record of what was handed over, answered, shown, told and charged, and asks no database.</p>

<h2>Rows</h2>
<table>
<tr><th>row</th><th>fault</th><th></th><th class="number">runs</th><th class="number">violations</th><th class="number">recovery p50</th>
<th class="number">recovery max</th><th class="number">new owner after</th><th class="number">wire repeats</th><th class="number">refused</th></tr>
${summary.map((row) => summaryLine(row, longestMs)).join('\n')}
</table>
<p class="soft">Recovery: for each range that the fault touches, the longest time after it in which messages waited and none was shown on a handset;
p50 and max are over ranges and runs. New owner after: from the fault until another sender had claimed the range, longest of all.
Wire repeats: envelopes that relays pushed beyond those that handsets showed; a dash where a counter went with its process.
Refused: requests that the client library gave up.</p>

<h2>What was seen</h2>
<table>
<tr><th>row</th><th>what was done, and what was found</th><th class="number">accepted</th><th class="number">longest answer</th><th class="number">p99 before</th>
<th class="number">p99 during</th><th class="number">p99 of others</th><th class="number">turns again</th><th class="number">memory</th><th class="number">all ready</th><th class="number">drained in</th></tr>
${rows
  .toSorted((a, b) => a.no - b.no)
  .map(detailLine)
  .join('\n')}
</table>
<p class="soft">Longest answer: that a client waited to hear <i>accepted</i>. p99: from handing over to the first showing, before the fault, during it, and during it in
ranges that it does not touch. Turns again: batches that a range worker could not finish and repeated. Memory: growth of the process that grew most.
All ready: from the fault until every process said so again. Drained in: from the end of the load until everything had ended and was charged.</p>
<p>SECRET: after the run every file of topics, tables and logs was searched for the texts of the messages, and no message key was used for two envelopes.</p>

<h2>Positive controls</h2>
<p>A checker that was never seen red proves nothing. Each control breaks one rule on purpose, in a cluster of its own.</p>
<table>
<tr><th>control</th><th>what is broken</th><th>during</th><th></th><th class="number">violations</th><th>what the checker found</th></tr>
${controls.map(controlLine).join('\n')}
</table>
${problems.length === 0 ? '' : `<h2 class="red">Not finished</h2><ul>${problems.map((text) => `<li class="red">${escape(text)}</li>`).join('')}</ul>`}
</main>
</html>
`;
}

function summaryLine(row: RowSummary, longestMs: number): string {
  const { no, name, verdict, runs, violations, recoveryP50Ms, recoveryMaxMs, takenMaxMs, wireRepeats, refused } = row;
  const width = Math.round(((recoveryMaxMs ?? 0) / longestMs) * 100);
  return `<tr><td>${no}</td><td>${escape(name)}</td><td class="verdict ${verdict}">${verdict}</td>
${numbers([runs, violations, msOf(recoveryP50Ms)])}
<td class="number">${msOf(recoveryMaxMs)}<span class="bar" style="width:${width}%"></span></td>
${numbers([msOf(takenMaxMs), wireRepeats ?? '-', refused])}</tr>`;
}

function detailLine(row: RowResult): string {
  const { no, injection, accepted, handedOver, answerMaxMs, before, during, othersDuring, turnsRefused, memory } = row;
  const found = [
    ...row.violations.slice(0, 5).map((text) => `<li class="red">${escape(text)}</li>`),
    ...row.missed.map((text) => `<li class="missed">${escape(text)}</li>`),
    ...row.notes.map((text) => `<li>${escape(text)}</li>`),
  ];
  const cells = numbers([
    `${accepted} of ${handedOver}`,
    msOf(answerMaxMs),
    msOf(before?.p99Ms),
    msOf(during?.p99Ms),
    msOf(othersDuring?.p99Ms),
    turnsRefused,
    `${memory.process} +${Math.round(memory.bytes / 2 ** 20)} MiB`,
    msOf(row.readyMs),
    msOf(row.drainedMs),
  ]);
  const list = found.length === 0 ? '' : `<ul>${found.join('')}</ul>`;
  return `<tr><td class="verdict ${verdictOf(row)}">${no}</td><td class="wide">${escape(injection)}${list}</td>${cells}</tr>`;
}

function controlLine({ name, breaks, during, isRed, violations, found }: ControlResult): string {
  const verdict = isRed ? '<td class="verdict green">seen red</td>' : '<td class="verdict red">NOT SEEN RED</td>';
  const list = found.slice(0, 2).map((text) => `<li>${escape(text)}</li>`);
  return `<tr><td>${escape(name)}</td><td>${escape(breaks)}</td><td>${escape(during)}</td>${verdict}${numbers([violations])}<td><ul>${list.join('')}</ul></td></tr>`;
}

function numbers(values: readonly (string | number)[]): string {
  return values.map((value) => `<td class="number">${escape(String(value))}</td>`).join('');
}

export function verdictOf({ violations, missed }: Pick<RowResult, 'violations' | 'missed'>): RowSummary['verdict'] {
  if (violations.length > 0) return 'red';
  return missed.length > 0 ? 'missed' : 'green';
}

export function msOf(value: number | undefined): string {
  if (value === undefined) return '-';
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1_000).toFixed(1)} s`;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
