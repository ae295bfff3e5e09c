/** The results of a run: lines while it goes on, and the page and the figures that are kept. */
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { versions } from '../../charts/test/tools.ts';
import { msOf } from '../faults/report-page.ts';
import { secondsText, type StepResult } from './step.ts';
import type { LoadFigures } from './under-load.ts';

export interface Report {
  readonly startedAt: string;
  readonly tookMs: number;
  /** Of it, until the lab was up with all images. */
  readonly labMs: number;
  readonly seed: number;
  readonly perSecond: number;
  readonly steps: readonly StepResult[];
}

export function formatStep({ name, what, tookMs, figures, load, complaints }: StepResult): string {
  return [
    `${complaints.length === 0 ? 'green' : 'RED  '} ${name.padEnd(13)} ${secondsText(tookMs).padStart(8)}  ${what}`,
    ...Object.entries(figures).map(([figure, value]) => `  ${figure}: ${value}`),
    ...(load === undefined ? [] : [`  ${loadText(load)}`]),
    ...complaints.slice(0, 10).map((text) => `  - ${text}`),
  ].join('\n    ');
}

/** @returns the path of the page */
export async function writeReport(report: Report, folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/kubernetes.json`, `${JSON.stringify(report, undefined, 2)}\n`);
  const path = `${folder}/kubernetes.md`;
  await writeFile(path, pageOf(report));
  return path;
}

function pageOf({ startedAt, tookMs, labMs, perSecond, steps }: Report): string {
  const green = steps.filter(({ complaints }) => complaints.length === 0).length;
  const loads = steps.flatMap(({ load }) => load ?? []);
  const violations = loads.reduce((sum, load) => sum + load.violations.length, 0);
  const accepted = loads.reduce((sum, load) => sum + load.accepted, 0);
  return `# The charts on two nodes in two zones

${startedAt.slice(0, 16).replace('T', ' ')} UTC, by \`make k8s-test\`: Kubernetes ${versions.kubernetes}, ${cpus().length} processors and ${Math.round(totalmem() / 2 ** 30)} GiB
for everything (control plane, two nodes, Kafka, etcd, MariaDB, twelve pods of Chappe, handsets, checker); ${perSecond} messages a second
to 30 people while something is done. ${green} of ${steps.length} steps are green; ${accepted.toLocaleString('en')} messages accepted, ${violations} broken promises.
${secondsText(tookMs)} in all, of which ${secondsText(labMs)} for the lab and its images. The servers stand in the zone that is not lost.
The version before is the same code under another tag.

| step | | took | |
|---|---|---|---|
${steps.map(stepLine).join('\n')}

Longest wait: the longest time after the step began in which messages to a range waited and none was shown on a handset. Refused: what the
client library gave up; single requests come one by one over new connections and are never tried again. NO-LOSS, ONCE, ORDER and the
other promises are checked in each step by a record of what was handed over, answered, shown, told and charged.

| step | accepted of handed over | refused | single requests failed | due to shown before, p50 / p99 | during, p50 / p99 | longest wait, median over ranges / most | which began after | longest answer | broken promises |
|---|---|---|---|---|---|---|---|---|---|
${steps.flatMap(({ name, load }) => (load === undefined ? [] : [loadLine(name, load)])).join('\n')}
`;
}

function stepLine({ name, what, tookMs, figures, complaints }: StepResult): string {
  const found = Object.entries(figures).map(([figure, value]) => `${figure}: ${value}`);
  const cells = [...found, ...complaints.slice(0, 5).map((text) => `**${text}**`)];
  const verdict = complaints.length === 0 ? 'green' : '**red**';
  return `| ${name}: ${cell(what)} | ${verdict} | ${secondsText(tookMs)} | ${cells.map(cell).join('<br>')} |`;
}

function loadLine(name: string, load: LoadFigures): string {
  const { before, during, recovery } = load;
  const cells = [
    name,
    `${load.accepted} of ${load.handedOver}`,
    String(Object.values(load.refused).reduce((sum, count) => sum + count, 0)),
    load.probes === 0 ? '-' : `${load.probesFailed.length} of ${load.probes}`,
    `${msOf(before?.p50Ms)} / ${msOf(before?.p99Ms)}`,
    `${msOf(during?.p50Ms)} / ${msOf(during?.p99Ms)}`,
    `${msOf(recovery?.p50Ms)} / ${msOf(recovery?.maxMs)}`,
    msOf(recovery?.maxAtMs),
    msOf(load.answerMaxMs),
    String(load.violations.length),
  ];
  return `| ${cells.join(' | ')} |`;
}

function loadText(load: LoadFigures): string {
  const { before, during, recovery } = load;
  return [
    `accepted ${load.accepted}/${load.handedOver}`,
    `violations ${load.violations.length}`,
    `refused ${JSON.stringify(load.refused)}`,
    `single requests failed ${load.probesFailed.length}/${load.probes}`,
    `p50/p99 before ${msOf(before?.p50Ms)}/${msOf(before?.p99Ms)} during ${msOf(during?.p50Ms)}/${msOf(during?.p99Ms)}`,
    `longest wait ${msOf(recovery?.p50Ms)}/${msOf(recovery?.maxMs)} after ${msOf(recovery?.maxAtMs)}`,
    `longest answer ${msOf(load.answerMaxMs)}`,
    `drained ${msOf(load.drainedMs)}`,
  ].join('  ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
