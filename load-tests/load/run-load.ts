/** One run: the system is started, a scenario is played once or several times, the figures are kept. */
import { writeFile, mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { cpuByPart } from './cpu-by-part.ts';
import { startClusterTarget } from './cluster-target.ts';
import { boundsFor } from './contacts.ts';
import { formatParts, formatProcesses, formatWindow, windowHeader } from './format.ts';
import type { Options } from './options.ts';
import { describeRun, type RunReport } from './run-report.ts';
import { scenarios } from './scenarios.ts';
import { Stage } from './stage.ts';
import { startStandaloneTarget } from './standalone-target.ts';
import type { Target } from './target.ts';

const reportsFolder = fileURLToPath(new URL('../reports/', import.meta.url));

/** @returns the exit code */
export async function runLoad(options: Options, folder: string): Promise<number> {
  await using target = await startTarget(options, folder);
  print(`${target.mode} is ready after ${(target.startMs / 1_000).toFixed(1)} s: ${target.shape}`);
  const windows: RunReport['windows'][number][] = [];
  {
    await using stage = await Stage.set(target, { businesses: 1, fleets: options.fleets });
    print(windowHeader);
    for (let repeat = 0; repeat < options.repeats; repeat += 1) {
      const say = (result: RunReport['windows'][number]): void => {
        windows.push(result);
        print(formatWindow(result));
      };
      await scenarios[options.scenario]({ stage, options: { ...options, seed: options.seed + repeat }, say, print });
    }
  }
  const measured = windows.filter(({ name }) => name !== 'warm-up');
  const main = measured.findLast(({ verdict }) => verdict.isSustained) ?? measured.at(-1);
  if (main !== undefined) print(`\nCPU and memory by process (${main.name})\n${formatProcesses(main.processes)}`);
  const parts = options.profiled === undefined ? undefined : cpuByPart(await target.profile());
  if (parts !== undefined) print(`\nCPU of ${options.profiled} by part\n${formatParts(parts)}`);
  const report = describeRun(options, target, windows);
  await mkdir(reportsFolder, { recursive: true });
  const path = `${reportsFolder}${options.scenario}-${options.mode}.json`;
  await writeFile(path, `${JSON.stringify(report, undefined, 1)}\n`);
  print(`\nas JSON: ${path}`);
  return windows.some(({ verdict }) => verdict.isBroken) ? 1 : 0;
}

function startTarget(options: Options, folder: string): Promise<Target> {
  const targetOptions = options.profiled === undefined ? {} : { profiled: options.profiled };
  return options.mode === 'cluster'
    ? startClusterTarget(targetOptions, `${folder}/stack`)
    : startStandaloneTarget(targetOptions, boundsFor(options.ranges));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
