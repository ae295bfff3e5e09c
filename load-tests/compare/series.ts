/** The figures of reports as series: one value for each repeat, over all reports that are given. */
import type { Series } from './compare.ts';
import type { RunReport } from '../load/run-report.ts';
import type { WindowResult } from '../load/run-window.ts';

export function seriesOf(reports: readonly RunReport[]): Series[] {
  const series = new Map<string, Series & { readonly values: number[] }>();
  const add = (name: string, unit: string, better: Series['better'], value: number | undefined): void => {
    if (value === undefined || !Number.isFinite(value)) return;
    const known = series.get(name) ?? { name, unit, better, values: [] };
    known.values.push(value);
    series.set(name, known);
  };
  for (const { figures, windows } of reports) {
    for (const { name, unit, better, values } of figures) for (const value of values) add(name, unit, better, value);
    for (const window of windows) addWindow(window, add);
  }
  return [...series.values()];
}

function addWindow(
  { name, plan, perSecond, toShown, processes }: WindowResult,
  add: (name: string, unit: string, better: Series['better'], value: number | undefined) => void,
): void {
  if (plan.pace.kind === 'asReady') add(`${name}: rate`, '/s', 'higher', perSecond);
  add(`${name}: shown, p50`, 'ms', 'lower', toShown?.p50Ms);
  add(`${name}: shown, p99`, 'ms', 'lower', toShown?.p99Ms);
  const parts = Map.groupBy(processes, ({ part }) => part);
  let all = 0;
  for (const [part, own] of parts) {
    const cpuUs = own.reduce((sum, process) => sum + process.cpuUs, 0);
    all += cpuUs;
    add(`${name}: CPU, ${part}`, 'us', 'lower', cpuUs);
  }
  add(`${name}: CPU, all`, 'us', 'lower', all);
  for (const [part, own] of parts)
    add(`${name}: peak, ${part}`, 'MiB', 'lower', Math.max(...own.map(({ peakBytes }) => peakBytes)) / 2 ** 20);
}
