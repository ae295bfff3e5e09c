/** Whether a window's rate counts: it was really offered, it was carried, and nothing was lost, repeated or out of order. */
import type { Lateness } from './lateness.ts';
import { grows } from './trend.ts';

/** What waited where at a moment. */
export interface Backlog {
  readonly atMs: number;
  /** Commands in the ranges' topics that are not done. */
  readonly lag: number;
  /** Handed over and not answered. */
  readonly unanswered: number;
  /** Accepted and on no screen: the depth of all mailboxes and whatever is before them. */
  readonly unshown: number;
  /** Shown, and the business has not read it in its events. */
  readonly untold: number;
}

export interface Verdict {
  /** The driver fell behind: the rate was not offered, and nothing is said of the system. */
  readonly isVoid: boolean;
  /** Lost, repeated or reordered messages: no rate at all. */
  readonly isBroken: boolean;
  readonly isSustained: boolean;
  /** Why not, in words. */
  readonly reasons: readonly string[];
}

export interface Judged {
  /** In the part of the window that counts. */
  readonly backlog: readonly Backlog[];
  readonly perSecond: number;
  /** False: there was no rate to fall behind, or what waits goes up and down: bursts, a sender that was killed. */
  readonly isPaced: boolean;
  readonly lateness: Lateness;
  /** By code. */
  readonly refused: ReadonlyMap<number, number>;
  /** Accepted, and ended otherwise than delivered; of those that failed by code. */
  readonly failed: number;
  readonly failures: ReadonlyMap<number, number>;
  /** Everything came to its end after the last message. */
  readonly isDrained: boolean;
  /** What the checker found. */
  readonly problems: number;
}

/** Later than this for one message in a hundred, the driver did not do what it was asked. */
const latenessP99MsMax = 100;

const waiting = {
  lag: 'the lag of the ranges grows',
  unanswered: 'unanswered requests grow',
  unshown: 'messages that are accepted and not shown grow',
  untold: 'events that the business has not read grow',
} as const;

export function verdictOf(judged: Judged): Verdict {
  const { backlog, perSecond, isPaced, lateness, refused, failed, failures, isDrained, problems } = judged;
  const isVoid = lateness.p99Ms > latenessP99MsMax;
  const isBroken = problems > 0;
  const growing = (Object.keys(waiting) as (keyof typeof waiting)[]).filter((what) => {
    const samples = backlog.map((look) => ({ atMs: look.atMs, value: look[what] }));
    return isPaced && grows(samples, perSecond);
  });
  const reasons = [
    ...(isVoid ? [`the driver was late by ${Math.round(lateness.p99Ms)} ms (p99)`] : []),
    ...(isBroken ? [`the checker found ${problems} problems`] : []),
    ...(refused.size > 0 ? [`some were refused (${codesText(refused)})`] : []),
    ...(failed > 0 ? [`${failed} were accepted and not delivered (${codesText(failures)})`] : []),
    ...(isDrained ? [] : ['not everything came to its end']),
    ...growing.map((what) => waiting[what]),
  ];
  return { isVoid, isBroken, isSustained: reasons.length === 0, reasons };
}

function codesText(counts: ReadonlyMap<number, number>): string {
  return [...counts].map(([code, count]) => `${count} with code ${code}`).join(', ');
}
