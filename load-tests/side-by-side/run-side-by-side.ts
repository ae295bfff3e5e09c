/** Each system alone, started empty for each run: a warm-up, as fast as it goes, then the common rate. */
import { afterCrashMessages, contacts, crashMessages, pacedSeconds } from './limits.ts';
import { runCrash, runJob, type JobResult } from './job.ts';
import { JobRecord, type Figures } from './record.ts';
import { versions } from './install.ts';
import { formatCrash, formatJob, writeReport, type SystemReport } from './report.ts';
import type { Observer, System } from './system.ts';
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
  /** Ends the run and what it has started. */
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

interface Result {
  readonly system: System;
  readonly runs: SystemReport['runs'][number][];
  crashed?: Figures;
}

export async function runSideBySide(options: SideBySideOptions): Promise<void> {
  const { names, runs, say } = options;
  const chosen = systems.filter(({ name }) => names === undefined || names.includes(name));
  const results: Result[] = chosen.map((system) => ({ system, runs: [] }));
  const installed = await versions();
  // After each, so that a run which is stopped keeps what it has.
  const keep = (result: Result): Promise<string> => writeReport([result], installed, options.reportsFolder);
  for (let run = 1; run <= runs; run += 1) {
    for (const result of results) {
      say(`run ${run} of ${runs}: ${result.system.title}`);
      const done = await runSystem(result.system, options);
      result.runs.push(done);
      await keep(result);
      say(formatJob(done.fast));
      say(formatJob(done.paced));
    }
  }
  for (const result of results) {
    const crashed = await crashSystem(result.system, options.signal);
    if (crashed !== undefined) result.crashed = crashed;
    say(`${result.system.title}: ${crashed === undefined ? 'not killed here' : formatCrash(crashed)}`);
    say(`the page: ${await keep(result)}`);
  }
}

async function runSystem(
  system: System,
  { messages, perSecond, warmUp, signal }: SideBySideOptions,
): Promise<SystemReport['runs'][number]> {
  let record = new JobRecord();
  const observer: Observer = {
    delivered: (index, atMs) => record.delivered(index, atMs),
    reported: (index, atMs) => record.reported(index, atMs),
  };
  await using running = await system.start(observer, contacts);
  let firstIndex = 0;
  const job = async (count: number, rate?: number): Promise<JobResult> => {
    record = new JobRecord();
    const from = firstIndex;
    firstIndex += count;
    const rated = rate === undefined ? {} : { perSecond: rate };
    return unless(signal, runJob({ system: running, record, firstIndex: from, messages: count, ...rated }));
  };
  await job(warmUp);
  const fast = await job(messages);
  const paced = await job(perSecond * pacedSeconds, perSecond);
  return { fast, paced };
}

/**
 * Undefined for a system that is not made for it.
 *
 * @throws Error if it does not work after its restart: then nothing is known of what it kept
 */
async function crashSystem(system: System, signal: AbortSignal): Promise<Figures | undefined> {
  let record = new JobRecord();
  const observer: Observer = {
    delivered: (index, atMs) => record.delivered(index, atMs),
    reported: (index, atMs) => record.reported(index, atMs),
  };
  await using running = await system.startClosed?.(observer);
  if (running === undefined) return undefined;
  const crashed = { system: running, record, firstIndex: 0, messages: crashMessages };
  const figures = await unless(signal, runCrash(crashed));
  record = new JobRecord();
  const afterwards = { system: running, record, firstIndex: crashMessages, messages: afterCrashMessages };
  const { delivered } = (await unless(signal, runJob(afterwards))).figures;
  if (delivered < afterCrashMessages) throw new Error(`${system.title} does not work after its restart`);
  return figures;
}

/** @throws Error when the signal comes first; the work is left to fail with what it works on */
async function unless<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const stopped = Promise.withResolvers<never>();
  const stop = (): void => stopped.reject(new Error('the run was stopped'));
  signal.addEventListener('abort', stop);
  try {
    return await Promise.race([work, stopped.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
