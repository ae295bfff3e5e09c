/** The results of a run: lines while it goes on, what each row comes to over its runs, and the files that are kept. */
import { mkdir, writeFile } from 'node:fs/promises';
import type { ControlResult } from './controls.ts';
import { quantile } from './quantile.ts';
import { msOf, pageOf, verdictOf } from './report-page.ts';
import type { RowResult } from './run-row.ts';

/** A row over all its runs. */
export interface RowSummary {
  readonly no: number;
  readonly name: string;
  readonly verdict: 'green' | 'missed' | 'red';
  readonly runs: number;
  readonly violations: number;
  readonly recoveryP50Ms: number | undefined;
  readonly recoveryMaxMs: number | undefined;
  /** Until ranges had a new owner. */
  readonly takenMaxMs: number | undefined;
  /** Undefined where a counter was lost with its process. */
  readonly wireRepeats: number | undefined;
  readonly refused: number;
}

export interface Report {
  readonly startedAt: string;
  readonly tookMs: number;
  readonly seed: number;
  readonly perSecond: number;
  readonly handsets: number;
  readonly summary: readonly RowSummary[];
  readonly rows: readonly RowResult[];
  readonly controls: readonly ControlResult[];
  readonly problems: readonly string[];
}

export function formatRow(result: RowResult): string {
  const { recovery, takeover, violations, missed, refused, memory, before, during, shownPerSecond } = result;
  const refusals = Object.entries(refused).map(([reason, count]) => `${count} ${reason}`);
  return [
    `row ${String(result.no).padEnd(4)} ${verdictOf(result).padEnd(6)} ${result.name}`,
    `accepted ${result.accepted}/${result.handedOver}  violations ${violations.length}  refused ${refusals.join(', ') || '0'}  seed ${result.seed}`,
    `recovery p50 ${msOf(recovery?.p50Ms)} max ${msOf(recovery?.maxMs)} (from ${msOf(recovery?.maxAtMs)} after the fault)  p99 before ${msOf(before?.p99Ms)}, during ${msOf(during?.p99Ms)}`,
    `shown before ${shownPerSecond.before.toFixed(1)}/s, during ${shownPerSecond.during.toFixed(1)}/s  longest answer ${msOf(result.answerMaxMs)}`,
    `new owner ${msOf(takeover?.takenMaxMs)}  claim ${msOf(takeover?.claimMaxMs)}  wire repeats ${result.wireRepeats ?? '-'}  turns again ${result.turnsRefused}`,
    `${memory.process} +${Math.round(memory.bytes / 2 ** 20)} MiB  healed ${msOf(result.healedMs)}  ready ${msOf(result.readyMs)}  drained ${msOf(result.drainedMs)}`,
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
export async function writeReport(report: Omit<Report, 'summary'>, folder: string): Promise<string> {
  const whole: Report = { ...report, summary: summarize(report.rows) };
  await mkdir(folder, { recursive: true });
  await writeFile(`${folder}/faults.json`, `${JSON.stringify(whole, undefined, 2)}\n`);
  await writeFile(`${folder}/faults.html`, pageOf(whole));
  return `${folder}/faults.html`;
}

function summarize(rows: readonly RowResult[]): RowSummary[] {
  const byNo = [...Map.groupBy(rows, ({ no }) => no)].toSorted(([a], [b]) => a - b);
  return byNo.flatMap(([no, runs]) => {
    const [first] = runs;
    if (first === undefined) return [];
    const recoveries = runs.flatMap(({ recovery }) => recovery ?? []);
    const taken = runs.flatMap(({ takeover }) => takeover?.takenMaxMs ?? []);
    const repeats = runs.map(({ wireRepeats }) => wireRepeats);
    const summary: RowSummary = {
      no,
      name: first.name,
      verdict: verdictOf({
        violations: runs.flatMap(({ violations }) => violations),
        missed: runs.flatMap(({ missed }) => missed),
      }),
      runs: runs.length,
      violations: runs.reduce((sum, { violations }) => sum + violations.length, 0),
      recoveryP50Ms: midOf(recoveries.map(({ p50Ms }) => p50Ms)),
      recoveryMaxMs: mostOf(recoveries.map(({ maxMs }) => maxMs)),
      takenMaxMs: mostOf(taken),
      wireRepeats: repeats.includes(undefined) ? undefined : repeats.reduce<number>((sum, count = 0) => sum + count, 0),
      refused: runs.reduce((sum, { refused }) => sum + Object.values(refused).reduce((a, b) => a + b, 0), 0),
    };
    return [summary];
  });
}

function midOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : quantile(values, 0.5);
}

function mostOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : quantile(values, 1);
}
