/**
 * `make load-compare A=... B=...`: what changed between two load tests beyond the noise of repeated runs.
 *
 *     node load-tests/compare/main.ts BEFORE AFTER
 *
 * Each is the JSON of a report, or a folder of several; a run with --repeats has several values in one file.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { formatTable } from '@chappe/cli/table';
import { seededRandom } from '../faults/seeded-random.ts';
import type { RunReport } from '../load/run-report.ts';
import { compare, type Comparison } from './compare.ts';
import { seriesOf } from './series.ts';

const [before, after] = process.argv.slice(2);
if (before === undefined || after === undefined) throw new Error('two reports: main.ts BEFORE AFTER');
const [reportsBefore, reportsAfter] = [await reportsAt(before), await reportsAt(after)];
for (const [name, reports] of [
  ['before', reportsBefore],
  ['after', reportsAfter],
] as const) {
  const [first] = reports;
  process.stdout.write(
    `${name}: ${reports.length} reports, commit ${first?.commit}, ${first?.at}, ${first?.machine.model}\n`,
  );
}
const comparisons = compare(seriesOf(reportsBefore), seriesOf(reportsAfter), seededRandom(1));
process.stdout.write(`\n${formatComparisons(comparisons)}\n`);

async function reportsAt(path: string): Promise<RunReport[]> {
  const isFolder = (await stat(path)).isDirectory();
  const files = isFolder
    ? (await readdir(path)).filter((file) => file.endsWith('.json')).map((file) => join(path, file))
    : [path];
  if (files.length === 0) throw new Error(`${path} has no reports`);
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(file, 'utf8')) as RunReport));
}

function formatComparisons(all: readonly Comparison[]): string {
  return formatTable(
    [
      { title: 'FIGURE' },
      { title: 'BEFORE', align: 'right' },
      { title: 'AFTER', align: 'right' },
      { title: '' },
      { title: 'CHANGE', align: 'right' },
      { title: '95 % INTERVAL', align: 'right' },
      { title: 'VERDICT' },
    ],
    all.map(({ name, unit, before: was, after: is, change, interval, verdict }) => [
      name,
      shortOf(was),
      shortOf(is),
      unit,
      percentOf(change),
      interval === undefined ? '' : `${percentOf(interval[0])} to ${percentOf(interval[1])}`,
      verdict,
    ]),
  );
}

function shortOf(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function percentOf(share: number): string {
  return `${share > 0 ? '+' : ''}${(100 * share).toFixed(1)} %`;
}
