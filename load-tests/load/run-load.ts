/** One run: the system is started, a scenario is played once or several times, the figures are kept. */
import { benchCluster } from './bench-cluster.ts';
import { benchStandalone } from './bench-standalone.ts';
import { cpuByPart } from './cpu-by-part.ts';
import { startClusterTarget } from './cluster-target.ts';
import { boundsFor } from './contacts.ts';
import { withValue, type Figure } from './figures.ts';
import { formatFigures, formatParts, formatProcesses, formatWindow, windowHeader } from './format.ts';
import type { Options, ScenarioName } from './options.ts';
import { measureReshape } from './reshape.ts';
import { describeRun } from './run-report.ts';
import type { WindowResult } from './run-window.ts';
import { businessesFor, scenarios, warmUpName, type PlayedName, type Scene } from './scenarios.ts';
import { measureScaling, type ScalingCurve } from './scaling.ts';
import { Stage } from './stage.ts';
import { startStandaloneTarget } from './standalone-target.ts';
import type { Target } from './target.ts';
import { writeReport } from './write-report.ts';

/** @param folder of the servers of a cluster @returns the exit code */
export async function runLoad(options: Options, folder: string, reportsFolder: string): Promise<number> {
  if (options.scenario === 'scaling' && options.ranges % options.senders !== 0)
    throw new Error(`${options.senders} senders want as many ranges each: RANGES=16`);
  const targetOptions = options.profiled === undefined ? {} : { profiled: options.profiled };
  if (options.mode === 'cluster') {
    await using target = await startClusterTarget(targetOptions, `${folder}/stack`);
    const ofCluster = { scaling: measureScaling, reshape: measureReshape, bench: benchCluster };
    return await runOn(target, options, reportsFolder, (scene) => {
      const { scenario } = options;
      return isPlayed(scenario) ? scenarios[scenario](scene) : ofCluster[scenario](scene, target);
    });
  }
  if (options.scenario === 'scaling' || options.scenario === 'reshape')
    throw new Error(`${options.scenario} is of a cluster: MODE=cluster`);
  await using target = await startStandaloneTarget(targetOptions, boundsFor(options.ranges));
  return await runOn(target, options, reportsFolder, (scene) =>
    isPlayed(options.scenario) ? scenarios[options.scenario](scene) : benchStandalone(scene),
  );
}

function isPlayed(scenario: ScenarioName): scenario is PlayedName {
  return scenario in scenarios;
}

async function runOn(
  target: Target,
  options: Options,
  reportsFolder: string,
  playOn: (scene: Scene) => Promise<void>,
): Promise<number> {
  print(`${target.mode} is ready after ${(target.startMs / 1_000).toFixed(1)} s: ${target.shape}`);
  const windows: WindowResult[] = [];
  let figures: readonly Figure[] = [];
  let scaling: ScalingCurve | undefined;
  {
    await using stage = await Stage.set(target, {
      businesses: businessesFor(options.scenario),
      fleets: options.fleets,
    });
    print(windowHeader);
    for (let repeat = 0; repeat < options.repeats; repeat += 1) {
      const scene: Scene = {
        stage,
        options: { ...options, seed: options.seed + repeat },
        say: (result) => {
          windows.push(result);
          print(formatWindow(result));
        },
        figure: (figure, value) => (figures = withValue(figures, figure, value)),
        scaled: (curve) => (scaling = curve),
        print,
      };
      await playOn(scene);
    }
  }
  const measured = windows.filter(({ name }) => name !== warmUpName);
  const main = mainOf(measured);
  if (main !== undefined) print(`\nCPU and memory by process (${main.name})\n${formatProcesses(main.processes)}`);
  if (figures.length > 0) print(`\n${formatFigures(figures)}`);
  const parts = options.profiled === undefined ? undefined : cpuByPart(await target.profile());
  if (parts !== undefined) print(`\nCPU of ${options.profiled} by part\n${formatParts(parts)}`);
  const profile = parts === undefined ? undefined : Object.fromEntries(parts);
  const page = await writeReport(
    { ...describeRun(options, target), figures, windows: measured, profile, scaling },
    reportsFolder,
  );
  print(`\nreport: ${page}`);
  return windows.some(({ verdict }) => verdict.isBroken) ? 1 : 0;
}

/** Where CPU a message says most: the highest rate that counts. */
function mainOf(windows: readonly WindowResult[]): WindowResult | undefined {
  const sustained = windows.filter(({ verdict }) => verdict.isSustained);
  return (sustained.length > 0 ? sustained : windows).toSorted((a, b) => b.perSecond - a.perSecond)[0];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
