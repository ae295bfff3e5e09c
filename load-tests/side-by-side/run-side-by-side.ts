/** Each system alone, started empty for each run: a warm-up, as fast as it goes, then the common rate. */
import { contacts, pacedSeconds } from './limits.ts';
import { runJob, type JobResult } from './job.ts';
import { JobRecord } from './record.ts';
import { versions } from './install.ts';
import { formatJob, writeReport, type SystemReport } from './report.ts';
import type { System } from './system.ts';
import { systems } from './systems/systems.ts';

export interface SideBySideOptions {
  /** Undefined: all. */
  readonly names: readonly string[] | undefined;
  readonly messages: number;
  readonly perSecond: number;
  readonly runs: number;
  /** Messages before the measured ones, so that connections, caches and compiled code are there. */
  readonly warmUp: number;
  readonly reportsFolder: string;
  readonly say: (line: string) => void;
}

export async function runSideBySide(options: SideBySideOptions): Promise<void> {
  const { names, runs, say } = options;
  const chosen = systems.filter(({ name }) => names === undefined || names.includes(name));
  const results = chosen.map((system) => ({ system, runs: [] as SystemReport['runs'][number][] }));
  for (let run = 1; run <= runs; run += 1) {
    for (const { system, runs: done } of results) {
      say(`run ${run} of ${runs}: ${system.title}`);
      const result = await runSystem(system, options);
      done.push(result);
      say(formatJob(result.fast));
      say(formatJob(result.paced));
    }
  }
  const page = await writeReport(results, await versions(), options.reportsFolder);
  say(`the page: ${page}`);
}

async function runSystem(
  system: System,
  { messages, perSecond, warmUp }: SideBySideOptions,
): Promise<SystemReport['runs'][number]> {
  let record = new JobRecord();
  const observer = {
    delivered: (index: number, atMs: number) => record.delivered(index, atMs),
    reported: (index: number, atMs: number) => record.reported(index, atMs),
  };
  await using running = await system.start(observer, contacts);
  let firstIndex = 0;
  const job = async (count: number, rate?: number): Promise<JobResult> => {
    record = new JobRecord();
    const from = firstIndex;
    firstIndex += count;
    return runJob({
      system: running,
      record,
      firstIndex: from,
      messages: count,
      ...(rate === undefined ? {} : { perSecond: rate }),
    });
  };
  await job(warmUp);
  const fast = await job(messages);
  const paced = await job(perSecond * pacedSeconds, perSecond);
  return { fast, paced };
}
