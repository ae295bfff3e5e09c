/**
 * Finds contacts of a range with messages that have expired or wait for keys, and appends a tick
 * for each to the range's own topic: time passes for a contact only in its log. Also deletes the
 * records of the topic that are long done.
 */
import { encodeMessage } from '@chappe/codec/codec';
import { deleteDoneRecords } from '@chappe/log/delete-done';
import { CommandSchema } from '@chappe/proto/internal/commands';
import type { Range } from '@chappe/ranges/range';
import { restoreMarginMs, ticksMax } from './limits.ts';
import type { RangeWorkerDependencies } from './range-worker.ts';
import { commandVersion } from './read-commands.ts';

type TickDependencies = Pick<RangeWorkerDependencies, 'store' | 'log' | 'now'> & {
  /** What the log's clock shows at most. By the own clock contacts may be ticked in vain; records are gone for good. */
  readonly logNowMs: () => number;
};

/**
 * Ticks the next due contacts behind `after`, in their order; the last one, to go on from at the
 * next look, or '' at the end: so many that wait for keys keep nobody from expiring.
 */
export async function tickDueContacts(dependencies: TickDependencies, range: Range, after: string): Promise<string> {
  const { store, log, now, logNowMs } = dependencies;
  const due = await store.query(
    `SELECT DISTINCT contact FROM messages
     WHERE state IN ('accepted', 'sent') AND contact >= ? AND contact > ? AND contact < ?
       AND (expires_ms <= ? OR held IN ('prekeys', 'key')) ORDER BY contact LIMIT ${ticksMax}`,
    [range.start, after, range.end, now()],
  );
  if (due.length > 0) {
    const value = encodeMessage(CommandSchema, { kind: { case: 'tick', value: {} } });
    const records = due.map((row) => ({
      key: String(row['contact']),
      headers: { kind: 'tick', id: `tick-${now()}`, version: commandVersion },
      value,
    }));
    const [result] = await log.append([{ topic: range.topic, records }]);
    if (result?.kind === 'failed' && result.error.kind !== 'sealed') throw result.error;
  }
  const [row] = await store.query('SELECT next_offset FROM range_progress WHERE range_id = ?', [range.id]);
  await deleteDoneRecords(log, range.topic, Number(row?.['next_offset'] ?? 0), logNowMs() - restoreMarginMs);
  return due.length < ticksMax ? '' : String(due.at(-1)?.['contact'] ?? '');
}
