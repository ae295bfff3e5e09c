/** What many range topics cost one broker: how long each takes to make, what the broker holds for them, what readers at rest cost. */
import type { Log } from '@chappe/log/log';
import { usageOf } from '../load/process-usage.ts';
import type { Line } from './measure-table.ts';
import { setTimeout as pause } from 'node:timers/promises';

const topicCount = 1_000;
const readerCount = 250;
const atATime = 4;
const restSeconds = 10;

export async function measureTopics(log: Log, brokerPid: number): Promise<Line[]> {
  const lines: Line[] = [];
  const say = (what: string, value: string): void => void lines.push({ what, value });
  const topics = Array.from({ length: topicCount }, (_, no) => `range-r${no + 1}`);
  const before = await usageOf(brokerPid);
  const startMs = performance.now();
  for (let at = 0; at < topics.length; at += atATime)
    await Promise.all(topics.slice(at, at + atATime).map((topic) => log.createTopic(topic)));
  const madeMs = performance.now() - startMs;
  const after = await usageOf(brokerPid);
  say(`${topicCount} topics made, ${atATime} at a time`, `${(madeMs / topicCount).toFixed(1)} ms each`);
  say(
    'memory of the broker for each',
    `${((after.residentBytes - before.residentBytes) / topicCount / 1_000).toFixed(0)} kB`,
  );

  const idle = await cpuShare(brokerPid);
  await using readers = new AsyncDisposableStack();
  const over = new AbortController();
  const reading = [];
  for (const topic of topics.slice(0, readerCount)) {
    const reader = readers.use(await log.openReader(topic, 0, undefined));
    reading.push(reader.read({ maxRecords: 1, maxBytes: 1_000 }, over.signal));
  }
  const ownBefore = process.cpuUsage();
  const withReaders = await cpuShare(brokerPid);
  const own = process.cpuUsage(ownBefore);
  over.abort();
  await Promise.all(reading);
  const each = (share: number): string => `${((share * 1_000_000) / readerCount).toFixed(0)} µs a second`;
  say(`a reader at rest, CPU of the broker (${readerCount} of them)`, each(withReaders - idle));
  say('a reader at rest, CPU of its own process', each((own.user + own.system) / 1_000_000 / restSeconds));
  return lines;
}

/** Of one processor. */
async function cpuShare(pid: number): Promise<number> {
  const before = await usageOf(pid);
  await pause(restSeconds * 1_000);
  return ((await usageOf(pid)).cpuMs - before.cpuMs) / (restSeconds * 1_000);
}
