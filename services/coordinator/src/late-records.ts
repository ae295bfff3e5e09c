/** The last net under a seal: records beyond it are appended where they belong now. Readers drop repeats by id. */
import type { Log, NewRecord } from '@chappe/log/log';
import { isAppendable, type Range } from '@chappe/ranges/range';
import { inInterval } from '@chappe/numbers/phone-number';
import { lateRecordsMax } from './limits.ts';

/** How many there were from `end` on, of which as many are where they belong. */
export async function moveLateRecords(
  log: Log,
  topic: string,
  end: number,
  ranges: ReadonlyMap<string, Range>,
): Promise<number> {
  if ((await log.end(topic)) <= end) return 0;
  const records = await log.readAt(topic, end, lateRecordsMax);
  const byTopic = Map.groupBy(records, ({ key }) => topicFor(key, ranges));
  const appends = [...byTopic].map(([to, list]) => ({
    topic: to,
    records: list.map(({ key, headers, value }): NewRecord => ({ key, headers, value })),
  }));
  for (const result of await log.append(appends)) if (result.kind === 'failed') throw result.error;
  return records.length;
}

function topicFor(number: string, ranges: ReadonlyMap<string, Range>): string {
  for (const range of ranges.values())
    if (isAppendable(range) && inInterval(number, range.start, range.end)) return range.topic;
  throw new Error('a record belongs to no range');
}
