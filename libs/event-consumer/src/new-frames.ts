/**
 * Which frames of a batch are new. A range numbers its frames under its epoch, and a new owner first publishes
 * again what former ones have committed; so they come in order of (epoch, number), and the last one of
 * each range tells repeats, whatever was published again and how often.
 */
import type { EventFrame } from '@chappe/proto/internal/events';
import type { Transaction } from '@chappe/store/store';
import type { Claim } from './event-progress.ts';

const table = {
  name: 'event_frames',
  key: ['consumer', 'bucket', 'range_id'],
  columns: ['consumer', 'bucket', 'range_id', 'epoch', 'event_no'],
};

interface Place {
  readonly epoch: number;
  readonly eventNo: number;
}

/** The last frame that was done, by range. */
export type DoneFrames = ReadonlyMap<string, Place>;

export interface NewFrames {
  /** In order. */
  readonly frames: EventFrame[];
  /** What is done with them. */
  readonly done: DoneFrames;
}

/** Nobody but the claim's holder changes them, so they are read once. */
export async function readDoneFrames(tx: Transaction, { consumer, bucket }: Claim): Promise<DoneFrames> {
  const rows = await tx.query('SELECT range_id, epoch, event_no FROM event_frames WHERE consumer = ? AND bucket = ?', [
    consumer,
    bucket,
  ]);
  return new Map(
    rows.map((row) => [String(row['range_id']), { epoch: Number(row['epoch']), eventNo: Number(row['event_no']) }]),
  );
}

/** Pure. */
export function newFramesOf(doneBefore: DoneFrames, frames: readonly EventFrame[]): NewFrames {
  const done = new Map(doneBefore);
  const fresh = frames.filter((frame) => {
    const place = placeOf(frame);
    if (!isBehind(done.get(frame.range), place)) return false;
    done.set(frame.range, place);
    return true;
  });
  return { frames: fresh, done };
}

/** Inside the transaction that does them. */
export async function writeDoneFrames(tx: Transaction, claim: Claim, frames: readonly EventFrame[]): Promise<void> {
  const { consumer, bucket } = claim;
  const lasts = new Map(frames.map((frame) => [frame.range, placeOf(frame)]));
  const rows = [...lasts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([range, { epoch, eventNo }]) => [consumer, bucket, range, epoch, eventNo]);
  await tx.insert(table, rows, 'replace');
}

function placeOf({ epoch, eventNo }: EventFrame): Place {
  return { epoch: Number(epoch), eventNo: Number(eventNo) };
}

function isBehind(last: Place | undefined, { epoch, eventNo }: Place): boolean {
  if (last === undefined || epoch > last.epoch) return true;
  return epoch === last.epoch && eventNo > last.eventNo;
}
