/** Does something for each place of a schedule when it is due, however long it takes to come true. */
import { setTimeout as pause } from 'node:timers/promises';
import { nowMs } from './monotonic-clock.ts';
import type { Schedule } from './schedule.ts';

/** What is due is handed over this often; latency is measured from when each message was due, so this is in it. */
const tickMs = 4;

/** @param act must not wait @param startMs on the machine's monotonic clock @returns when the last was due and done */
export async function onSchedule(
  schedule: Schedule,
  startMs: number,
  act: (no: number, dueMs: number) => void,
): Promise<number> {
  for (let no = 0; no < schedule.count;) {
    const elapsedMs = nowMs() - startMs;
    for (; no < schedule.count && schedule.dueMs(no) <= elapsedMs; no += 1) act(no, startMs + schedule.dueMs(no));
    if (no < schedule.count) await pause(Math.max(tickMs, startMs + schedule.dueMs(no) - nowMs()));
  }
  return nowMs();
}
