/** Each system alone, started empty for each run: a warm-up, as fast as it goes, then the common rate. */
import { contacts as contactCount } from './limits.ts';
import { runJob, type JobResult } from './job.ts';
import { JobRecord } from './record.ts';
import { formatResult } from './report.ts';
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

export interface SystemRun {
  readonly fast: JobResult;
  readonly paced: JobResult;
}

export async function runSideBySide(options: SideBySideOptions): Promise<void> {
  const { names, runs, say } = options;
  const chosen = systems.filter(({ name }) => names === undefined || names.includes(name));
  for (let run = 1; run <= runs; run += 1) {
    for (const system of chosen) {
      say(`run ${run} of ${runs}: ${system.title}`);
      const result = await runSystem(system, options);
      say(formatResult(result.fast));
      say(formatResult(result.paced));
    }
  }
}

async function runSystem(system: System, { messages, perSecond, warmUp }: SideBySideOptions): Promise<SystemRun> {
  const contacts = Array.from({ length: contactCount }, (_, index) => `+336${10_000_000 + index}`);
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
      contacts,
      firstIndex: from,
      messages: count,
      ...(rate === undefined ? {} : { perSecond: rate }),
    });
  };
  await job(warmUp);
  const fast = await job(messages);
  const paced = await job(Math.min(messages, perSecond * 20), perSecond);
  return { fast, paced };
}
