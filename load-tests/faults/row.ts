/** What a row of the table of faults is, and what it is given to work with. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SettingsSchema } from '@chappe/proto/v1/business_service';
import type { FaultCluster } from './fault-cluster.ts';
import type { Load } from './load.ts';
import type { People } from './people.ts';
import { initialBounds } from '../cluster/layout.ts';
import type { RowResult } from './run-row.ts';

export interface RowContext {
  readonly cluster: FaultCluster;
  readonly people: People;
  readonly load: Load;
  /** From 0 to 1, seeded. */
  readonly random: () => number;
  /** The ranges of a sender lose service; absent: all ranges are looked at. */
  readonly affect: (sender: string) => Promise<void>;
  /** The fault is in force from now on; not called: once `inject` has ended. */
  readonly inForce: () => void;
  /** Into the report. */
  readonly note: (text: string) => void;
}

export interface Row {
  /** As in the table of faults. */
  readonly no: number;
  readonly name: string;
  /** What is done, for the report. */
  readonly injection: string;
  /** Of the stack that it needs; absent: one. */
  readonly zones?: 2;
  /** Absent: as the run has it. */
  readonly perSecond?: number;
  /** From the fault to its end; absent: 5 s. */
  readonly faultMs?: number;
  /** Of load after its end; absent: 8 s. */
  readonly afterMs?: number;
  /** How long everything may take to come to its end; absent: a minute. */
  readonly drainMsMax?: number;
  /** The cluster is of no use afterwards, and need not become ready. */
  readonly ruins?: boolean;
  /** Broken promises that nobody could keep; they are noted. */
  readonly forgives?: RegExp;
  /** Of the row's business. */
  readonly settings?: MessageInitShape<typeof SettingsSchema>;
  /** Before the load begins. */
  readonly prepare?: (context: Pick<RowContext, 'cluster' | 'people' | 'note'>) => Promise<void>;
  readonly inject: (context: RowContext) => Promise<void>;
  /** Ends the fault; the row goes on when everything is ready again. */
  readonly heal: (context: RowContext) => Promise<void>;
  /** After the checker has spoken. */
  readonly cleanUp?: (context: RowContext) => Promise<void>;
  /** Besides the promises; each text is something that is not as it must be. */
  readonly acceptance: (result: RowResult) => readonly string[];
}

/**
 * A limit on the way back to service. A message takes its time without any fault as well, the longer the busier
 * the machine is: as long as one in a hundred took before comes on top.
 */
export function recoversWithin(limitMs: number): Row['acceptance'] {
  return ({ recovery, before }) => {
    if (recovery === undefined) return ['nothing was shown after the fault'];
    if (recovery.missing.length > 0) return [`${recovery.missing.join(', ')}: nothing was shown after the fault`];
    return recovery.maxMs <= limitMs + (before?.p99Ms ?? 0)
      ? []
      : [`recovery took ${Math.round(recovery.maxMs)} ms, the limit is ${limitMs} ms`];
  };
}

/** The same, counted from the end of the fault. */
export function recoversAfterHealing(limitMs: number): Row['acceptance'] {
  return (result) => recoversWithin(result.healedMs + limitMs)(result);
}

export function bothOf(...checks: readonly Row['acceptance'][]): Row['acceptance'] {
  return (result) => checks.flatMap((check) => check(result));
}

/** The same allowance, for the time from the coordinator's word to the new owner's claim. */
export function claimedWithin(limitMs: number): Row['acceptance'] {
  return ({ takeover, before }) => {
    if (takeover === undefined) return ['no range came to a new owner'];
    return takeover.claimMaxMs <= limitMs + (before?.p99Ms ?? 0)
      ? []
      : [`a range was claimed ${Math.round(takeover.claimMaxMs)} ms after it was assigned, the limit is ${limitMs} ms`];
  };
}

/** The same allowance, for the longest wait of a client for its answer. */
export function answersWithin(limitMs: number): Row['acceptance'] {
  return ({ answerMaxMs, before }) =>
    answerMaxMs <= limitMs + (before?.p99Ms ?? 0)
      ? []
      : [`an answer took ${Math.round(answerMaxMs)} ms, the limit is ${limitMs} ms`];
}

/**
 * What the fault does not touch takes at most twice its time. Of 100 messages that is one: below the floor it is
 * a matter of what else two processors had to do, so nothing is said about it.
 */
export function othersKeepPace({ before, othersDuring }: RowResult): readonly string[] {
  if (before === undefined || othersDuring === undefined) return ['nothing was shown in other ranges'];
  const limitMs = Math.max(2 * before.p99Ms, paceFloorMs);
  return othersDuring.p99Ms <= limitMs
    ? []
    : [`p99 of other ranges was ${Math.round(othersDuring.p99Ms)} ms, the limit is ${Math.round(limitMs)} ms`];
}

const paceFloorMs = 500;

/** A range worker waits longer after each refusal, up to 2 s: some ten in a fault, and one more each two seconds. */
export function noStormOfRetries({ turnsRefused, readyMs }: RowResult): readonly string[] {
  const limit = rangeCount * (10 + readyMs / 2_000);
  return turnsRefused <= limit ? [] : [`${turnsRefused} turns were made again, the limit is ${Math.round(limit)}`];
}

const rangeCount = initialBounds.split(',').length + 1;

export function memoryGrowsAtMost(mebibytes: number): Row['acceptance'] {
  return ({ memory }) =>
    memory.bytes <= mebibytes * 2 ** 20
      ? []
      : [`${memory.process} grew by ${Math.round(memory.bytes / 2 ** 20)} MiB, the limit is ${mebibytes} MiB`];
}

/** Notes that say so (`NO ...`) are things that are not as they must be. */
export function noNoteSaysNo({ notes }: RowResult): readonly string[] {
  return notes.filter((text) => text.startsWith('NO '));
}

/** Nothing that a client could notice but a wait. */
export function refusesNothing({ refused }: RowResult): readonly string[] {
  const texts = Object.entries(refused).map(([reason, count]) => `${count} requests were refused: ${reason}`);
  return texts;
}
