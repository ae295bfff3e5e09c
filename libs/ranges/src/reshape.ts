/**
 * A reshape: some ranges are replaced by others over the same numbers, as it rests under `reshapes/<id>`
 * (docs/protocols.md, section 5). Requested by gateways or by the coordinator itself; every later step is the
 * leading coordinator's.
 *
 *     requested -> prepared -> sealing -> open -> active        (then it is deleted, with the old topics)
 *         |           |
 *         v           v
 *      refused      undone
 */
export type ReshapeStep =
  /** Wanted; nothing was done. */
  | 'requested'
  /** Not possible: `problem` says why. */
  | 'refused'
  /** The new ranges have their ids and their topics. */
  | 'prepared'
  /** The topics of the old ranges are being sealed. There is no way back. */
  | 'sealing'
  /** The old topics take nothing more; the new ranges are filled, the old ones worked off. */
  | 'open'
  /** The new ranges are worked on; the old topics stay for a while. */
  | 'active'
  /** Taken back, all is as it was before: `problem` says why. */
  | 'undone';

export interface Reshape {
  readonly id: string;
  readonly step: ReshapeStep;
  /** Ids of the ranges that are replaced: neighbours, in the order of their numbers. */
  readonly old: readonly string[];
  /** Where their numbers are cut; none: they become one range. Absent: one range, where half of its load is on each side. */
  readonly cuts?: readonly string[];
  /** Ids of the new ranges, from `prepared` on: one more than cuts. */
  readonly made: readonly string[];
  /** Where the topics of the old ranges end, by id, once the log has said so: after it is `open`. */
  readonly ends: Readonly<Record<string, number>>;
  /** Who wanted it and why, in words. */
  readonly reason: string;
  /** The store that the one new range goes to, from that of the one old range. Absent: it stays where it is. */
  readonly store?: string;
  /** Why it was refused or taken back, or what it waits for. */
  readonly problem?: string;
  /** The operator takes it back, if that is still possible. */
  readonly isCancelled?: boolean;
  /** Milliseconds since 1970, on the clock of whoever wrote it: when it came to its step. */
  readonly sinceMs: number;
}

export const reshapePrefix = 'reshapes/';

/** Whether it has come to its end. What is left of `active` is to delete the old topics. */
export function isEnded({ step }: Reshape): boolean {
  return step === 'refused' || step === 'undone' || step === 'active';
}

/** Whether everything can still be as it was before. */
export function canBeUndone({ step }: Reshape): boolean {
  return step === 'requested' || step === 'prepared';
}

export function formatReshape(reshape: Reshape): string {
  return JSON.stringify(reshape);
}

/** @throws Error naming the field that is wrong: what is in coordination was written by Chappe itself. */
export function parseReshape(json: string): Reshape {
  const value: unknown = JSON.parse(json);
  assertReshape(value);
  return value;
}

const steps: ReadonlySet<unknown> = new Set<ReshapeStep>([
  'requested',
  'refused',
  'prepared',
  'sealing',
  'open',
  'active',
  'undone',
]);

function assertReshape(value: unknown): asserts value is Reshape {
  if (typeof value !== 'object' || value === null) throw new Error('a reshape is not an object');
  const { id, step, old, cuts, made, ends, reason, sinceMs, store } = value as Partial<Record<keyof Reshape, unknown>>;
  if (typeof id !== 'string' || id === '') throw new Error('a reshape has no id');
  if (!steps.has(step)) throw new Error(`reshape ${id}: unknown step`);
  if (!isTexts(old) || old.length === 0) throw new Error(`reshape ${id}: it names no old ranges`);
  if (cuts !== undefined && !isTexts(cuts)) throw new Error(`reshape ${id}: cuts is not a list of bounds`);
  if (!isTexts(made)) throw new Error(`reshape ${id}: made is not a list of ids`);
  if (typeof ends !== 'object' || ends === null) throw new Error(`reshape ${id}: ends is not an object`);
  if (typeof reason !== 'string') throw new Error(`reshape ${id}: reason is not a text`);
  if (store !== undefined && typeof store !== 'string') throw new Error(`reshape ${id}: store is not a text`);
  if (typeof sinceMs !== 'number') throw new Error(`reshape ${id}: sinceMs is not a number`);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}
