/**
 * Finds contacts of a range with messages that have expired or wait for keys, and appends a tick
 * for each to the range's own topic: time passes for a contact only in its log. Also deletes the
 * records of the topic that are long done.
 */
import { toBinary, create } from '@bufbuild/protobuf';
import { CommandSchema } from '@chappe/proto/internal/commands';
import type { Range } from '@chappe/ranges/range';
import { restoreMarginMs, ticksMax } from './limits.ts';
import type { RangeWorkerDependencies } from './range-worker.ts';
import { commandVersion } from './read-commands.ts';

type TickDependencies = Pick<RangeWorkerDependencies, 'store' | 'log' | 'now'>;

export async function tickDueContacts(dependencies: TickDependencies, range: Range): Promise<void> {
  const { store, log, now } = dependencies;
  const due = await store.query(
    `SELECT DISTINCT contact FROM messages
     WHERE state IN ('accepted', 'sent') AND contact >= ? AND contact < ?
       AND (expires_ms <= ? OR held IN ('prekeys', 'key')) LIMIT ${ticksMax}`,
    [range.start, range.end, now()],
  );
  if (due.length > 0) {
    const value = toBinary(CommandSchema, create(CommandSchema, { kind: { case: 'tick', value: {} } }));
    const records = due.map((row) => ({
      key: String(row['contact']),
      headers: { kind: 'tick', id: `tick-${now()}`, version: commandVersion },
      value,
    }));
    const [result] = await log.append([{ topic: range.topic, records }]);
    if (result?.kind === 'failed' && result.error.kind !== 'sealed') throw result.error;
  }
  await deleteDoneRecords(dependencies, range);
}

async function deleteDoneRecords({ store, log, now }: TickDependencies, range: Range): Promise<void> {
  const [row] = await store.query('SELECT next_offset FROM range_progress WHERE range_id = ?', [range.id]);
  const done = Number(row?.['next_offset'] ?? 0);
  const first = await firstNewerThan(log, range.topic, done, now() - restoreMarginMs);
  if (first > 0) await log.deleteBefore(range.topic, first);
}

/** The lowest offset below `done` whose record is newer than a time, by bisection over append times. */
async function firstNewerThan(
  log: RangeWorkerDependencies['log'],
  topic: string,
  done: number,
  timeMs: number,
): Promise<number> {
  let [low, high] = [0, done];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const [record] = await log.readAt(topic, middle, 1);
    // Deleted records are older than any that is there.
    if (record === undefined || record.appendTimeMs < timeMs) low = middle + 1;
    else high = middle;
  }
  return low;
}
