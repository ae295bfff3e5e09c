/** Figures of a run as lines of text. */
import { formatTable } from '@chappe/cli/table';
import { keepsLimit, type Figure } from './figures.ts';
import type { Latency } from './latency.ts';
import type { ProcessFigures, WindowResult } from './run-window.ts';

const columns = [28, 8, 8, 9, 18, 24, 9, 10, 10] as const;

export const windowHeader = row([
  'window',
  'per s',
  'shown/s',
  'messages',
  'accepted p50/p99',
  'shown p50/p99/p999 ms',
  'events',
  'CPU us',
  'late p99',
]);

export function formatWindow(result: WindowResult): string {
  const { name, perSecond, shownPerSecond, accepted, toAccepted, toShown, verdict } = result;
  const cpuUs = result.processes.reduce((sum, process) => sum + process.cpuUs, 0);
  const line = row([
    name,
    perSecond.toFixed(0),
    shownPerSecond.toFixed(0),
    String(accepted),
    `${ms(toAccepted?.p50Ms)} / ${ms(toAccepted?.p99Ms)}`,
    latencyText(toShown),
    result.eventsPerMessage.toFixed(2),
    cpuUs.toFixed(0),
    `${ms(result.lateness.p99Ms)} ms`,
  ]);
  const groups = Object.entries(result.groups).map(
    ([group, latency]) => `    ${group}: shown ${latencyText(latency)} ms`,
  );
  return [line, ...groups, ...verdict.reasons.map((reason) => `    ! ${reason}`), ...result.problems.slice(0, 5)].join(
    '\n',
  );
}

export function formatProcesses(processes: readonly ProcessFigures[]): string {
  const sorted = processes.toSorted((a, b) => b.cpuUs - a.cpuUs);
  const total = processes.reduce((sum, { cpuUs }) => sum + cpuUs, 0);
  return formatTable(
    [
      { title: 'PROCESS' },
      { title: 'CPU US/MESSAGE', align: 'right' },
      { title: 'SHARE', align: 'right' },
      { title: 'MIB', align: 'right' },
      { title: 'PEAK', align: 'right' },
    ],
    [
      ...sorted.map(({ name, cpuUs, residentBytes, peakBytes }) => [
        name,
        cpuUs.toFixed(0),
        `${((100 * cpuUs) / total).toFixed(0)} %`,
        mebibytes(residentBytes),
        mebibytes(peakBytes),
      ]),
      ['all', total.toFixed(0), '', '', ''],
    ],
  );
}

export function formatFigures(figures: readonly Figure[]): string {
  return formatTable(
    [{ title: 'FIGURE' }, { title: 'MEASURED', align: 'right' }, { title: 'LIMIT', align: 'right' }, { title: '' }],
    figures.map((figure) => {
      const { name, unit, limit, better, values } = figure;
      const isKept = keepsLimit(figure);
      return [
        name,
        `${values.map((value) => short(value)).join(', ')} ${unit}`,
        limit === undefined ? '' : `${better === 'higher' ? 'at least' : 'at most'} ${limit} ${unit}`,
        isKept === false ? 'MISSED' : '',
      ];
    }),
  );
}

/** @param parts microseconds by part */
export function formatParts(parts: ReadonlyMap<string, number>): string {
  const total = [...parts.values()].reduce((sum, micros) => sum + micros, 0);
  return [...parts]
    .slice(0, 24)
    .map(([part, micros]) => `  ${part.padEnd(34)} ${((100 * micros) / total).toFixed(1).padStart(5)} %`)
    .join('\n');
}

function latencyText(latency: Latency | undefined): string {
  return `${ms(latency?.p50Ms)} / ${ms(latency?.p99Ms)} / ${ms(latency?.p999Ms)}`;
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, place) => (place === 0 ? cell.padEnd(columns[0]) : cell.padStart(columns[place] ?? 0)))
    .join('');
}

function ms(value: number | undefined): string {
  return value === undefined ? '-' : short(value);
}

function short(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
