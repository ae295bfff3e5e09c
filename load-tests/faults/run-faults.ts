/** A whole run: the cluster, its people, one row after the other, the controls, the report. */
import { findCode } from '@chappe/cli/phone/registration-code';
import { FaultCluster } from './fault-cluster.ts';
import { handsetCount, People } from './people.ts';
import { formatControl, formatRow, writeReport } from './report.ts';
import { chooseRows } from './rows/rows.ts';
import { runRow } from './run-row.ts';
import { chooseControls, runControl } from './controls.ts';
import type { Control, ControlResult } from './controls.ts';
import type { Row } from './row.ts';
import type { RowResult, RunSettings } from './run-row.ts';
import { markerOf, scanForSecrets } from './secret-scan.ts';
import { seededRandom } from './seeded-random.ts';
import { ZoneNetwork } from './zone-network.ts';

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
  const say = (text: string): void => print(`${text} (${sinceText(startedAt)})`);

  let business = 100;
  const settings = (no: number): RunSettings => {
    business += 1;
    const number = `+33199009${business}`;
    // A row draws the same numbers whichever rows came before it.
    return { perSecond, seed, random: seededRandom(seed + no * 1_000), number, signal };
  };
  /** Until one is red or cannot be finished: the next ones get a new cluster. */
  const play = async (cluster: FaultCluster, waiting: Row[]): Promise<void> => {
    await using people = await gatherIn(cluster, say);
    for (let row = waiting.shift(); row !== undefined && !signal.aborted; row = waiting.shift()) {
      try {
        const result = await runRow(row, cluster, people, settings(row.no));
        results.push(result);
        print(formatRow(result));
        if (result.violations.length > 0 || row.ruins === true) return;
      } catch (error) {
        throw new Error(`row ${row.no}`, { cause: error });
      }
    }
  };
  const control = async (cluster: FaultCluster, chosenControl: Control): Promise<void> => {
    await using people = await gatherIn(cluster, say, chosenControl.areForgetful);
    const result = await runControl(chosenControl, cluster, people, settings(chosenControl.row.no));
    controls.push(result);
    print(formatControl(result));
  };
  const attempt = async (act: () => Promise<void>): Promise<void> => {
    try {
      await act();
    } catch (error) {
      if (signal.aborted) return;
      problems.push(textOf(error));
      print(`NOT FINISHED: ${textOf(error)}`);
    }
  };
  /** Servers of their own for what needs two zones, and for all the rest. */
  const onStack = async (zones: 1 | 2, act: (cluster: FaultCluster) => Promise<void>): Promise<void> => {
    say(`servers of ${zones === 1 ? 'one zone' : 'two zones and a witness, each in its namespace,'} start`);
    const network = zones === 1 ? undefined : await ZoneNetwork.make();
    await using cluster = new FaultCluster(`${options.folder}/stack-${zones}`, network);
    await cluster.startStack();
    await act(cluster);
  };
  const [simple, zoned] = [
    chosen.filter(({ zones }) => zones === undefined),
    chosen.filter(({ zones }) => zones === 2),
  ];
  if (simple.length + chosenControls.length > 0) {
    await onStack(1, async (cluster) => {
      while (simple.length > 0 && !signal.aborted) await attempt(() => play(cluster, simple));
      for (const one of chosenControls) if (!signal.aborted) await attempt(() => control(cluster, one));
    });
  }
  if (zoned.length > 0 && !signal.aborted) {
    await onStack(2, async (cluster) => {
      while (zoned.length > 0 && !signal.aborted) await attempt(() => play(cluster, zoned));
    });
  }
  const secrets = signal.aborted ? [] : await scanForSecrets(options.folder, markerOf(seed), 'Faults +33199009');
  for (const text of secrets) print(text);
  problems.push(...secrets);
  const tookMs = Date.now() - startedAt.getTime();
  const report = { startedAt: startedAt.toISOString(), tookMs, seed, perSecond, handsets: handsetCount };
  const page = await writeReport({ ...report, rows: results, controls, problems }, options.reportsFolder);
  print(`report: ${page}`);
  const isBroken = results.some(({ violations }) => violations.length > 0) || controls.some(({ isRed }) => !isRed);
  return isBroken || problems.length > 0 || signal.aborted ? 1 : 0;
}

/** A new cluster, and its people. */
async function gatherIn(cluster: FaultCluster, say: (text: string) => void, areForgetful = false): Promise<People> {
  await cluster.startNew();
  say('a new cluster is ready');
  const codeOf = (number: string): Promise<string> => findCode(cluster.dataFolder, number);
  const people = new People({ relay: cluster.addressesOf('relay'), codeOf, areForgetful });
  await people.gather();
  say(`${people.phones.length} handsets are registered`);
  return people;
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.cause === undefined ? error.message : `${error.message}: ${textOf(error.cause)}`;
}

function sinceText(start: Date): string {
  return `${((Date.now() - start.getTime()) / 1_000).toFixed(1)} s`;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
