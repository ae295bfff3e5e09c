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

/** The number of the last frame that was done, by range and incarnation. */
export type DoneFrames = ReadonlyMap<string, number>;

export interface NewFrames {
  /** In order. */
  readonly frames: EventFrame[];
  /** What is done with them. */
  readonly done: DoneFrames;
}

/** Nobody but the claim's holder changes them, so they are read once. */
export async function readDoneFrames(tx: Transaction, { consumer, bucket }: Claim): Promise<DoneFrames> {
  const rows = await tx.query(
    'SELECT range_id, incarnation, event_no FROM event_frames WHERE consumer = ? AND bucket = ?',
    [consumer, bucket],
  );
  return new Map(
    rows.map((row) => [nameOf(String(row['range_id']), Number(row['incarnation'])), Number(row['event_no'])]),
  );
}

/** Pure. */
export function newFramesOf(doneBefore: DoneFrames, frames: readonly EventFrame[]): NewFrames {
  const done = new Map(doneBefore);
  const fresh = frames.filter((frame) => {
    const range = nameOf(frame.range, frame.incarnation);
    const eventNo = Number(frame.eventNo);
    if (eventNo <= (done.get(range) ?? 0)) return false;
    done.set(range, eventNo);
    return true;
  });
  return { frames: fresh, done };
}

/** Inside the transaction that does them. */
export async function writeDoneFrames(tx: Transaction, claim: Claim, frames: readonly EventFrame[]): Promise<void> {
  const { consumer, bucket } = claim;
  const lasts = new Map(frames.map((frame) => [nameOf(frame.range, frame.incarnation), frame]));
  const rows = [...lasts.values()]
    .toSorted((a, b) => (a.range < b.range ? -1 : 1))
    .map(({ range, incarnation, eventNo }) => [consumer, bucket, range, incarnation, Number(eventNo)]);
  await tx.insert(table, rows, 'replace');
}

function nameOf(range: string, incarnation: number): string {
  return `${range}/${incarnation}`;
}
