/**
 * The results: two lines for each job while it goes on; side-by-side.json, in which systems that did not run this
 * time keep what they had; and the page made from it.
 */
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import type { JobResult, PartFigures } from './job.ts';
import type { Figures, Percentiles } from './record.ts';
import type { System } from './system.ts';
import { systems } from './systems/systems.ts';

export interface SystemReport {
  readonly at: string;
  readonly commit: string;
  readonly versions: readonly string[];
  readonly runs: readonly { readonly fast: JobResult; readonly paced: JobResult }[];
  /** After SIGKILL with every message waiting. Absent: not done with this system. */
  readonly crashed?: Figures;
}

interface Report {
  readonly machine: string;
  /** By the system's name. */
  readonly systems: Readonly<Record<string, SystemReport>>;
}

export function formatJob({ messages, perSecond, figures, parts, othersShare }: JobResult): string {
  const { acceptedPerSecond, deliveredPerSecond, reportedPerSecond, acceptedToDelivered } = figures;
  const speed = perSecond === undefined ? 'as fast as it goes' : `${perSecond}/s`;
  const rates = [acceptedPerSecond, deliveredPerSecond, reportedPerSecond].map((rate) => rate.toFixed(0));
  const cpu = parts.map(
    ({ part, cpuUsPerMessage, peakMiB }) => `${part} ${cpuUsPerMessage.toFixed(0)} us ${peakMiB.toFixed(0)} MiB`,
  );
  return [
    `  ${messages} messages, ${speed}: accepted ${rates[0]}/s, delivered ${rates[1]}/s, reported ${rates[2]}/s, refused ${figures.refused}, ${faultsOf(figures)}, others took ${(othersShare * 100).toFixed(0)} % of the machine`,
    `    accepted to delivered ${msOf(acceptedToDelivered)} ms; ${cpu.join(', ')}`,
  ].join('\n');
}

export function formatCrash(figures: Figures): string {
  return `killed with ${figures.accepted} accepted messages waiting: delivered ${figures.delivered}, ${faultsOf(figures)}`;
}

/** @returns the path of the page */
export async function writeReport(
  results: readonly (Pick<SystemReport, 'runs' | 'crashed'> & { readonly system: System })[],
  versions: readonly string[],
  folder: string,
): Promise<string> {
  const path = `${folder}/side-by-side`;
  await mkdir(folder, { recursive: true });
  const earlier = await readFile(`${path}.json`, 'utf8').catch(() => undefined);
  const kept = earlier === undefined ? {} : (JSON.parse(earlier) as Report).systems;
  const at = new Date().toISOString();
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  const now = results.map(({ system, ...measured }) => [system.name, { at, commit, versions, ...measured }] as const);
  const report: Report = { machine: machineOf(), systems: { ...kept, ...Object.fromEntries(now) } };
  await writeFile(`${path}.json`, `${JSON.stringify(report, undefined, 1)}\n`);
  await writeFile(`${path}.md`, pageOf(report));
  return `${path}.md`;
}

function pageOf(report: Report): string {
  const rows = systems.flatMap((system) => {
    const measured = report.systems[system.name];
    return measured === undefined ? [] : [{ system, measured }];
  });
  const [first] = rows;
  const perSecond = first?.measured.runs[0]?.paced.perSecond ?? 0;
  const each = (line: (row: Row) => readonly string[]): string =>
    rows.map((row) => `| ${line(row).join(' | ')} |`).join('\n');
  return `# Side by side

The same job on each system: take a message, keep it, deliver it, tell the sender that it was delivered. ${report.machine}; one
system at a time, with the sending application and the other side (message centre, handsets) on the same machine. Medians
of the runs; [README.md](../side-by-side/README.md) says what is measured how, and what the systems promise.

## As fast as each takes them

| system | messages | accepted/s | delivered/s | reported/s | CPU a message | peak memory | application and other side | refused | lost, unreported, repeated, overtaken | machine taken by others | runs |
|---|---|---|---|---|---|---|---|---|---|---|---|
${each(({ system, measured: { runs } }) => [
  system.title,
  numberOf(runs, ({ fast }) => fast.messages),
  numberOf(runs, ({ fast }) => fast.figures.acceptedPerSecond),
  numberOf(runs, ({ fast }) => fast.figures.deliveredPerSecond),
  numberOf(runs, ({ fast }) => fast.figures.reportedPerSecond),
  `${numberOf(runs, ({ fast }) => sumOf(fast, false, ({ cpuUsPerMessage }) => cpuUsPerMessage))} µs`,
  `${numberOf(runs, ({ fast }) => sumOf(fast, false, ({ peakMiB }) => peakMiB))} MiB`,
  `${numberOf(runs, ({ fast }) => sumOf(fast, true, ({ cpuUsPerMessage }) => cpuUsPerMessage))} µs`,
  `${total(runs, ({ fast }) => fast.figures.refused)}`,
  [
    total(runs, ({ fast }) => fast.figures.lost),
    total(runs, ({ fast }) => fast.figures.unreported),
    total(runs, ({ fast }) => fast.figures.deliveredAgain),
    total(runs, ({ fast }) => fast.figures.overtakes),
  ].join(', '),
  `${numberOf(runs, ({ fast }) => fast.othersShare * 100)} %`,
  String(runs.length),
])}

Rates count from the first message handed over to the last one accepted, delivered, reported: what still waits in a queue
is not done. Lost to overtaken: the sum of all runs. Where others took much of the machine, rates and latencies say little, and
CPU a message is too high as well.

## ${perSecond} messages a second

| system | due to accepted, p50 / p99 ms | accepted to delivered | due to delivered | delivered to reported | CPU a message |
|---|---|---|---|---|---|
${each(({ system, measured: { runs } }) => [
  system.title,
  percentiles(runs, ({ dueToAccepted }) => dueToAccepted),
  percentiles(runs, ({ acceptedToDelivered }) => acceptedToDelivered),
  percentiles(runs, ({ dueToDelivered }) => dueToDelivered),
  percentiles(runs, ({ deliveredToReported }) => deliveredToReported),
  `${numberOf(runs, ({ paced }) => sumOf(paced, false, ({ cpuUsPerMessage }) => cpuUsPerMessage))} µs`,
])}

## CPU and memory by process, as fast as it goes

| system | process | CPU a message | peak memory |
|---|---|---|---|
${rows
  .flatMap(({ system, measured: { runs } }) =>
    (runs[0]?.fast.parts ?? []).map(({ part, isDriver }, place) => {
      const of = (figure: (parts: PartFigures) => number): string =>
        numberOf(runs, ({ fast }) => {
          const found = fast.parts[place];
          return found === undefined ? NaN : figure(found);
        });
      const name = isDriver ? `*${part}*` : part;
      return `| ${system.title} | ${name} | ${of(({ cpuUsPerMessage }) => cpuUsPerMessage)} µs | ${of(({ peakMiB }) => peakMiB)} MiB |`;
    }),
  )
  .join('\n')}

In italics: not the system, but the sending application and the other side.

## Killed while everything waits

With nobody at the other side the system accepts messages; then all its processes, the servers that it uses included, end by
SIGKILL, are started again on what they left, and find the other side open. The machine's page cache survives this: the
loss of power takes more from whoever does not sync.

| system | accepted | delivered | lost | delivered again | reported |
|---|---|---|---|---|---|
${rows
  .flatMap(({ system, measured: { crashed } }) => {
    if (crashed === undefined) return [];
    const { accepted, delivered, lost, deliveredAgain, reported } = crashed;
    return [`| ${[system.title, accepted, delivered, lost, deliveredAgain, reported].join(' | ')} |`];
  })
  .join('\n')}

Chappe's processes are killed by tests of their own (\`services/standalone/test/kill.test.ts\`, \`make faults\`), which hold what
handsets showed against what was accepted.

## What each is

| system | takes messages over | an accepted message is | promises | measured |
|---|---|---|---|---|
${each(({ system, measured }) => [
  system.title,
  system.takes,
  system.durability,
  system.promises,
  `${measured.at.slice(0, 16).replace('T', ' ')}, commit ${measured.commit}`,
])}

Versions: ${first?.measured.versions.join(', ')}; Node ${process.version}.
`;
}

interface Row {
  readonly system: System;
  readonly measured: SystemReport;
}

type Run = SystemReport['runs'][number];

function sumOf({ parts }: JobResult, ofDriver: boolean, figure: (part: PartFigures) => number): number {
  return parts.filter(({ isDriver }) => isDriver === ofDriver).reduce((sum, part) => sum + figure(part), 0);
}

function numberOf(runs: readonly Run[], figure: (run: Run) => number): string {
  return medianOf(runs.map(figure)).toFixed(0);
}

function total(runs: readonly Run[], figure: (run: Run) => number): number {
  return runs.reduce((sum, run) => sum + figure(run), 0);
}

function percentiles(runs: readonly Run[], figure: (figures: JobResult['figures']) => Percentiles): string {
  const all = runs.map(({ paced }) => figure(paced.figures));
  return msOf({ p50Ms: medianOf(all.map(({ p50Ms }) => p50Ms)), p99Ms: medianOf(all.map(({ p99Ms }) => p99Ms)) });
}

function msOf({ p50Ms, p99Ms }: Percentiles): string {
  return [p50Ms, p99Ms].map((ms) => ms.toFixed(ms < 10 ? 1 : 0)).join(' / ');
}

function faultsOf({ lost, unreported, deliveredAgain, reportedAgain, overtakes }: JobResult['figures']): string {
  return `lost ${lost}, unreported ${unreported}, delivered again ${deliveredAgain}, reported again ${reportedAgain}, overtakes ${overtakes}`;
}

/** Of an even number, the lower of the two in the middle: a value that was measured. */
function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.trunc((values.length - 1) / 2)] ?? NaN;
}

function machineOf(): string {
  return `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
}
