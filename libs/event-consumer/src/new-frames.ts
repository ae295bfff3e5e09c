/**
 * Which frames of a batch are new. A range numbers its frames, and they come in order, so one
 * number for each range tells repeats, whatever was published again and how often.
 */
import type { EventFrame } from '@chappe/proto/internal/events';
import type { Transaction } from '@chappe/store/store';
import type { Claim } from './event-progress.ts';

const table = {
  name: 'event_frames',
  key: ['consumer', 'bucket', 'range_id', 'incarnation'],
  columns: ['consumer', 'bucket', 'range_id', 'incarnation', 'event_no'],
};

/** Inside the transaction that does them: the new ones in order, remembered as done. */
export async function takeNewFrames(
  tx: Transaction,
  claim: Claim,
  frames: readonly EventFrame[],
): Promise<EventFrame[]> {
  const { consumer, bucket } = claim;
  const rows = await tx.query(
    'SELECT range_id, incarnation, event_no FROM event_frames WHERE consumer = ? AND bucket = ?',
    [consumer, bucket],
  );
  const done = new Map(
    rows.map((row) => [nameOf(String(row['range_id']), Number(row['incarnation'])), Number(row['event_no'])]),
  );
  const changed = new Map<string, EventFrame>();
  const fresh = frames.filter((frame) => {
    const range = nameOf(frame.range, frame.incarnation);
    const eventNo = Number(frame.eventNo);
    if (eventNo <= (done.get(range) ?? 0)) return false;
    done.set(range, eventNo);
    changed.set(range, frame);
    return true;
  });
  const lasts = [...changed.values()].toSorted((a, b) => (a.range < b.range ? -1 : 1));
  await tx.insert(
    table,
    lasts.map(({ range, incarnation, eventNo }) => [consumer, bucket, range, incarnation, Number(eventNo)]),
    'replace',
  );
  return fresh;
}

function nameOf(range: string, incarnation: number): string {
  return `${range}/${incarnation}`;
}
