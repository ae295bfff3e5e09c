/**
 * One job: so many messages handed over, as fast as they are accepted with a bounded number under way, or at a
 * rate; then everything is awaited that must come of them.
 */
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { numberAt } from '../load/contacts.ts';
import { nowMs } from '../load/monotonic-clock.ts';
import { contacts, quietMs } from './limits.ts';
import { machineCpuMs, resetPeaks, usageOf, type Part } from './process-usage.ts';
import type { Figures, JobRecord } from './record.ts';
import type { RunningSystem } from './system.ts';

export interface PartFigures {
  readonly part: string;
  readonly isDriver: boolean;
  readonly cpuUsPerMessage: number;
  readonly peakMiB: number;
}

export interface JobResult {
  readonly messages: number;
  /** Absent: as fast as it goes. */
  readonly perSecond?: number;
  readonly figures: Figures;
  readonly parts: readonly PartFigures[];
  /** Of the machine's processors, what processes that have no part in the job took: 0 to 1. */
  readonly othersShare: number;
}

export interface Job {
  readonly system: RunningSystem;
  readonly record: JobRecord;
  readonly firstIndex: number;
  readonly messages: number;
  readonly perSecond?: number;
}

export async function runJob(job: Job): Promise<JobResult> {
  const { system, record, messages, perSecond } = job;
  const parts: Part[] = [...system.parts, { name: 'application', pid: process.pid, isDriver: true, isAlone: true }];
  await resetPeaks(parts);
  const before = await usageOf(parts);
  const [startMs, startCpuMs] = [nowMs(), await machineCpuMs()];
  await (perSecond === undefined ? handOverAll(job) : handOverAtRate(job, perSecond));
  await untilDone(record);
  const [elapsedMs, spentMs] = [nowMs() - startMs, (await machineCpuMs()) - startCpuMs];
  const after = await usageOf(parts);
  const ownMs = after.reduce((sum, { cpuMs }, place) => sum + cpuMs - (before[place]?.cpuMs ?? 0), 0);
  return {
    othersShare: Math.max(0, spentMs - ownMs) / (elapsedMs * availableParallelism()),
    messages,
    ...(perSecond === undefined ? {} : { perSecond }),
    figures: record.figures(system.receiptDelayMs),
    parts: parts.map(({ name, isDriver }, place) => ({
      part: name,
      isDriver: isDriver === true,
      cpuUsPerMessage: (((after[place]?.cpuMs ?? 0) - (before[place]?.cpuMs ?? 0)) * 1_000) / messages,
      peakMiB: (after[place]?.peakRssBytes ?? 0) / 2 ** 20,
    })),
  };
}

/** Everything is accepted while nobody is at the other side; then the system crashes, and all is awaited that it kept. */
export async function runCrash(job: Job): Promise<Figures> {
  const { system, record } = job;
  if (system.crash === undefined) throw new Error('a system that was started closed can crash');
  await handOverAll(job);
  await system.crash();
  await untilDone(record);
  return record.figures(system.receiptDelayMs);
}

async function handOverAll(job: Job): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < job.messages) {
      const place = next;
      next += 1;
      await handOver(job, place, nowMs());
    }
  };
  await Promise.all(Array.from({ length: job.system.inFlight }, worker));
}

/** Open loop: a slow answer delays nobody's turn. */
async function handOverAtRate(job: Job, perSecond: number): Promise<void> {
  const startMs = nowMs();
  const answers: Promise<void>[] = [];
  for (let place = 0; place < job.messages; place += 1) {
    const dueMs = startMs + (place * 1_000) / perSecond;
    const earlyMs = dueMs - nowMs();
    if (earlyMs > 1) await pause(earlyMs);
    answers.push(handOver(job, place, dueMs));
  }
  await Promise.all(answers);
}

async function handOver({ system, record, firstIndex }: Job, place: number, dueMs: number): Promise<void> {
  const index = firstIndex + place;
  const contact = numberAt(index % contacts);
  record.submitted(index, contact, dueMs, nowMs());
  const isAccepted = await system.submit(index, contact).then(
    () => true,
    () => false,
  );
  if (isAccepted) record.accepted(index, nowMs());
  else record.refused();
}

/** Until every message is delivered and reported, or nothing has happened for a while. */
async function untilDone(record: JobRecord): Promise<void> {
  let [progress, sinceMs] = [record.progress, nowMs()];
  while (!record.isComplete && nowMs() - sinceMs < quietMs) {
    await pause(50);
    if (record.progress !== progress) [progress, sinceMs] = [record.progress, nowMs()];
  }
}
