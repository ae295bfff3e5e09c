/**
 * What one window of a load test sends: when, to whom, from which business. Plain data, handed to the processes
 * that send. People may be the senders too: then a window is of replies, each to its business.
 */
import { behindCampaign, inBursts, steadily, type Schedule } from './schedule.ts';
import { zipf } from './zipf.ts';

export type Pace =
  | { readonly kind: 'steadily'; readonly perSecond: number; readonly seconds: number }
  | {
      readonly kind: 'inBursts';
      readonly perSecond: number;
      readonly seconds: number;
      readonly periodSeconds: number;
    }
  /** A campaign at once, and beside it, as long as it lasts, a few messages a second to people of their own. */
  | {
      readonly kind: 'behindCampaign';
      readonly campaign: number;
      readonly perSecond: number;
      readonly seconds: number;
      /** Whose the few are; the campaign is of business 0. */
      readonly business: number;
    }
  /** No schedule: the next message as soon as the stream takes it. Latency is from the handing over. */
  | { readonly kind: 'asReady'; readonly count: number };

export type People =
  | { readonly kind: 'zipf'; readonly count: number; readonly exponent: number }
  /** Each in turn, from place `first`. */
  | { readonly kind: 'inTurn'; readonly first: number; readonly count: number }
  /** A campaign's in turn from place 0, and behind them those to whom the few messages beside it go. */
  | { readonly kind: 'apart'; readonly campaign: number; readonly count: number; readonly apart: number }
  /** Everybody in turn, and one person for a share of the messages. */
  | { readonly kind: 'hot'; readonly count: number; readonly share: number };

export interface Plan {
  /** Absent: messages of businesses. */
  readonly areReplies?: boolean;
  readonly pace: Pace;
  readonly people: People;
  /** How much of the messages each business sends; they add up to 1. */
  readonly businessShares: readonly number[];
  /** Of each business. A contact is always written to on the same one. */
  readonly streams: number;
  readonly seed: number;
}

/** Undefined: there is none, see `asReady`. */
export function scheduleOf({ pace }: Plan): Schedule | undefined {
  switch (pace.kind) {
    case 'steadily':
      return steadily(pace.perSecond, pace.seconds);
    case 'inBursts':
      return inBursts(pace.perSecond, pace.seconds, pace.periodSeconds);
    case 'behindCampaign':
      return behindCampaign(pace.campaign, pace.perSecond, pace.seconds);
    case 'asReady':
      return undefined;
  }
}

export function countOf(plan: Plan): number {
  return plan.pace.kind === 'asReady' ? plan.pace.count : (scheduleOf(plan)?.count ?? 0);
}

/** Who gets message `no`, by place. @param random from 0 to 1 */
export function placesOf({ people }: Plan, random: () => number): (no: number) => number {
  switch (people.kind) {
    case 'zipf': {
      return zipf(people.count, people.exponent, random);
    }
    case 'inTurn':
      return (no) => people.first + (no % people.count);
    case 'apart': {
      const { campaign, count, apart } = people;
      return (no) => (no < campaign ? no % count : count + ((no - campaign) % apart));
    }
    case 'hot':
      return (no) => (random() < people.share ? 0 : no % people.count);
  }
}

/** Which business sends message `no`. @param random from 0 to 1 */
export function businessesOf({ pace, businessShares }: Plan, random: () => number): (no: number) => number {
  if (pace.kind === 'behindCampaign') return (no) => (no < pace.campaign ? 0 : pace.business);
  if (businessShares.length === 1) return () => 0;
  return () => {
    let chance = random();
    for (const [business, share] of businessShares.entries()) {
      chance -= share;
      if (chance < 0) return business;
    }
    return 0;
  };
}
