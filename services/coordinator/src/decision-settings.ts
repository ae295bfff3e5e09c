/** What the coordinator's decisions by load go by. Absent in what starts it: as here, whose numbers `limits.ts` explains. */
import type { Margin } from './balance.ts';
import {
  averageMs,
  balanceMargins,
  coldShare,
  hotShare,
  hotterThanMeanShare,
  moveRestMs,
  movesShareMax,
  peakMs,
  rangesPerShardMin,
  shapeLookMs,
  splitRestMs,
} from './limits.ts';

export interface DecisionSettings {
  /** Whether ranges are split and merged by load; that they are placed by it is no choice. */
  readonly isReshaping: boolean;
  /** Splits and merges are decided on so often, and the plan is written as often if it is another one. */
  readonly shapeLookMs: number;
  /** Nothing is merged with fewer ranges for each shard that stays. */
  readonly rangesPerShardMin: number;
  /** What comes in is averaged over this long. */
  readonly averageMs: number;
  /** A range is cold if it was so all through this. */
  readonly peakMs: number;
  /** Parts of what a shard takes: above the first a range is split; above the second if it has more than the mean shard. */
  readonly hotShare: number;
  readonly hotterThanMeanShare: number;
  /** Two neighbours that have less together are merged. */
  readonly coldShare: number;
  /** Of all ranges, and of all load, so much is on its way at once. */
  readonly movesShareMax: number;
  /** A range that was moved for balance stays for so long. */
  readonly moveRestMs: number;
  /** A range that a reshape has made is not split for so long. */
  readonly splitRestMs: number;
  /** How far a shard may be fuller than another before anything is moved, and once it is. */
  readonly balanceMargins: { readonly begin: Margin; readonly goOn: Margin };
}

export const usualDecisions: DecisionSettings = {
  isReshaping: true,
  shapeLookMs,
  rangesPerShardMin,
  averageMs,
  peakMs,
  hotShare,
  hotterThanMeanShare,
  coldShare,
  movesShareMax,
  moveRestMs,
  splitRestMs,
  balanceMargins,
};
