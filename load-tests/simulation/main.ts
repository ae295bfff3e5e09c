/**
 * Hunts for broken promises, seed by seed:
 *
 *     node load-tests/simulation/main.ts --seed N [--only 'fault;fault'] [--rule fence_out]
 *     node load-tests/simulation/main.ts [--seeds 200] [--from 1] [--controls all | fence_out,... | none]
 *     node load-tests/simulation/main.ts --report FILE [--seeds 200] [--from 1]
 *
 * One seed is run with its whole trace. Of many, each that breaks a promise is named with the least of its faults that
 * still do it. With controls, each broken rule must be found within so many seeds. For a report many seeds are run, then
 * each rule is searched for in 200. Exit code 0: no promise was broken, and every control was found.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';
import { formatHunt, formatSearch, kindOf, reportOf, type HuntFigures, type Search } from './report.ts';
import { controlOf, controls, type Control } from './rules.ts';
import { SeedWorkers } from './seed-workers.ts';
import type { Outcome, Task } from './seeds-process.ts';
import { shrink } from './shrink.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    only: { type: 'string' },
    rule: { type: 'string' },
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    controls: { type: 'string', default: 'none' },
    report: { type: 'string' },
  },
});
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const tracesFolder = fileURLToPath(new URL('../results/simulation', import.meta.url));
/** A rule that is broken must be found within so many. */
const controlSeeds = 200;
/** Some hundred faults come down to a handful in so many runs. */
const shrinkTriesMax = 200;
/** Beyond so many there is nothing to be learnt from more. */
const failuresMax = 20;
const only = values.only === undefined ? {} : { only: values.only.split(';').filter((name) => name !== '') };

await using workers = new SeedWorkers(values.seed === undefined ? undefined : 1);
if (values.seed !== undefined) {
  process.exitCode = await showSeed({
    seed: Number(values.seed),
    ...only,
    ...(values.rule === undefined ? {} : { rule: values.rule }),
  });
} else {
  process.exitCode = await runMany(Number(values.from), Number(values.seeds));
}

async function runMany(from: number, seeds: number): Promise<number> {
  const startedAt = new Date();
  if (values.report !== undefined) {
    const figures = await hunt(from, seeds);
    const searches = await findAll(controls, 1, controlSeeds);
    await writeFile(values.report, reportOf(startedAt, figures, searches));
    say(`report: ${values.report}`);
    return figures.failed.size === 0 && searches.every(({ found }) => found !== undefined) ? 0 : 1;
  }
  if (values.controls === 'none') return (await hunt(from, seeds)).failed.size === 0 ? 0 : 1;
  const chosen = values.controls === 'all' ? controls : values.controls.split(',').map(controlOf);
  const searches = await findAll(chosen, from, seeds);
  return searches.every(({ found }) => found !== undefined) ? 0 : 1;
}

async function showSeed(task: Task): Promise<number> {
  const outcome = await workers.run(task);
  for (const line of outcome.trace) say(line);
  say(`seed ${task.seed}: ${describe(outcome)}`);
  for (const problem of outcome.problems) say(`  ${problem}`);
  return outcome.problems.length === 0 ? 0 : 1;
}

function describe({ faults, steps, virtualMs, messages, problems }: Outcome): string {
  const broken = problems.length === 0 ? 'every promise was kept' : `${problems.length} broken`;
  return `${broken}; ${faults.length} faults, ${messages} messages, ${(virtualMs / 1000).toFixed(1)} s in ${steps} steps`;
}

async function hunt(from: number, count: number): Promise<HuntFigures> {
  const startedMs = performance.now();
  const failed = new Map<number, Outcome>();
  const total = { steps: 0, messages: 0, virtualMs: 0 };
  const faults = new Map<string, number>();
  let next = from;
  const one = async (): Promise<void> => {
    while (next < from + count && failed.size < failuresMax) {
      const seed = next;
      next += 1;
      const outcome = await workers.run({ seed });
      total.steps += outcome.steps;
      total.messages += outcome.messages;
      total.virtualMs += outcome.virtualMs;
      for (const kind of outcome.faults.map(kindOf)) faults.set(kind, (faults.get(kind) ?? 0) + 1);
      if (outcome.problems.length === 0) continue;
      failed.set(seed, outcome);
      say(`seed ${seed}: ${outcome.problems[0] ?? ''}`);
    }
  };
  await Promise.all(Array.from({ length: workers.count }, one));
  const minutes = (performance.now() - startedMs) / 60_000;
  const problems = new Map([...failed].map(([seed, outcome]) => [seed, outcome.problems[0] ?? '']));
  const figures: HuntFigures = { from, seeds: next - from, minutes, failed: problems, ...total, faults };
  say(formatHunt(figures));
  for (const [seed, outcome] of [...failed].slice(0, 3)) await explain({ seed }, outcome);
  return figures;
}

/** The least that still does it, and the trace of that. */
async function explain(task: Task, outcome: Outcome): Promise<void> {
  const promise = promiseOf(outcome);
  let least = outcome;
  const fails = async (some: readonly string[]): Promise<boolean> => {
    const again = await workers.run({ ...task, only: some });
    if (promiseOf(again) !== promise) return false;
    least = again;
    return true;
  };
  const faults = await shrink(outcome.faults, fails, shrinkTriesMax);
  await mkdir(tracesFolder, { recursive: true });
  const file = `${tracesFolder}/seed-${task.seed}.txt`;
  await writeFile(file, `${[...least.trace, ...least.problems].join('\n')}\n`);
  const rule = task.rule === undefined ? '' : ` RULE=${task.rule}`;
  say(`seed ${task.seed}: ${least.problems[0] ?? ''}`);
  say(
    `  ${faults.length} of ${outcome.faults.length} faults do it: make simulate SEED=${task.seed}${rule} ONLY='${faults.join(';')}'`,
  );
  say(`  its trace: ${file}`);
}

function promiseOf({ problems }: Outcome): string {
  return problems[0]?.split(':')[0] ?? '';
}

async function findAll(chosen: readonly Control[], from: number, count: number): Promise<Search[]> {
  const searches: Search[] = [];
  for (const control of chosen) {
    const search: Search = { rule: control.rule, found: await find(control, from, count) };
    searches.push(search);
    say(formatSearch(search, count));
  }
  return searches;
}

async function find({ rule, expects }: Control, from: number, count: number): Promise<Search['found']> {
  const found: NonNullable<Search['found']>[] = [];
  let next = from;
  const one = async (): Promise<void> => {
    while (next < from + count && found.length === 0) {
      const seed = next;
      next += 1;
      const { problems } = await workers.run({ seed, rule });
      const problem = problems.find((text) => expects.test(text));
      if (problem !== undefined) found.push({ seed, problem });
    }
  };
  await Promise.all(Array.from({ length: workers.count }, one));
  return found[0];
}
