/** A whole run: the cluster, its people, one row after the other, the controls, the report. */
import { FaultCluster } from './fault-cluster.ts';
import { handsetCount, People } from './people.ts';
import { formatControl, formatRow, writeReport } from './report.ts';
import { chooseRows } from './rows/rows.ts';
import { runRow } from './run-row.ts';
import { chooseControls, runControl } from './controls.ts';
import type { Control, ControlResult } from './controls.ts';
import type { RowResult, RunSettings } from './run-row.ts';
import { seededRandom } from './seeded-random.ts';

export interface FaultRunOptions {
  readonly rows: string;
  readonly controls: string;
  readonly perSecond: number;
  readonly seed: number;
  /** Of each row. */
  readonly runs: number;
  readonly folder: string;
  readonly reportsFolder: string;
  readonly signal: AbortSignal;
}

/** @returns the exit code */
export async function runFaults(options: FaultRunOptions): Promise<number> {
  const { perSecond, seed, signal } = options;
  const chosen = chooseRows(options.rows).flatMap((row) => Array.from({ length: options.runs }, () => row));
  const chosenControls = chooseControls(options.controls);
  const startedAt = new Date();
  const results: RowResult[] = [];
  const controls: ControlResult[] = [];
  const problems: string[] = [];
  print(`seed ${seed}; rows ${chosen.map(({ no }) => no).join(', ')}`);
  await using cluster = new FaultCluster(`${options.folder}/stack`);
  await cluster.startStack();
  const say = (text: string): void => print(`${text} (${sinceText(startedAt)})`);

  let business = 100;
  const settings = (): RunSettings => {
    business += 1;
    const number = `+33199009${business}`;
    // A row draws the same numbers whichever rows came before it.
    return { perSecond, seed, random: seededRandom(seed + business), number, signal };
  };
  const play = async (): Promise<void> => {
    await using people = await gatherIn(cluster, say);
    for (const row of chosen) {
      if (signal.aborted) return;
      const result = await runRow(row, cluster, people, settings());
      results.push(result);
      print(formatRow(result));
    }
  };
  const control = async (chosenControl: Control): Promise<void> => {
    await using people = await gatherIn(cluster, say);
    const result = await runControl(chosenControl, cluster, people, settings());
    controls.push(result);
    print(formatControl(result));
  };
  const acts = [
    ...(chosen.length > 0 ? [play] : []),
    ...chosenControls.map((one) => (): Promise<void> => control(one)),
  ];
  for (const act of acts) {
    if (signal.aborted) break;
    try {
      await act();
    } catch (error) {
      if (signal.aborted) break;
      problems.push(error instanceof Error ? error.message : 'unknown');
      print(`it could not be finished: ${problems.at(-1) ?? ''}`);
    }
  }
  const tookMs = Date.now() - startedAt.getTime();
  const report = { startedAt: startedAt.toISOString(), tookMs, seed, perSecond, handsets: handsetCount };
  const page = await writeReport({ ...report, rows: results, controls, problems }, options.reportsFolder);
  print(`report: ${page}`);
  const isBroken = results.some(({ violations }) => violations.length > 0) || controls.some(({ isRed }) => !isRed);
  return isBroken || problems.length > 0 || signal.aborted ? 1 : 0;
}

/** A new cluster, and its people. */
async function gatherIn(cluster: FaultCluster, say: (text: string) => void): Promise<People> {
  await cluster.startNew();
  say('a new cluster is ready');
  const people = new People();
  await people.gather();
  say(`${people.phones.length} handsets are registered`);
  return people;
}

function sinceText(start: Date): string {
  return `${((Date.now() - start.getTime()) / 1_000).toFixed(1)} s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
