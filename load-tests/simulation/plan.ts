/**
 * What a seed does to the cluster, and when: which processes are killed, stopped, paused and cut off, which ranges are
 * to be split, merged and moved. Pure.
 */
import type { CoordinatorDependencies } from '@chappe/coordinator/coordinator';
import { hashOf, type FaultRates } from './faults.ts';

export type PlannedKind = 'kill' | 'stop' | 'pause' | 'cut';

export interface PlannedFault {
  /** Its name in reports, and by which it can be chosen: `kill s1 at 3.20`. */
  readonly name: string;
  readonly kind: PlannedKind;
  readonly target: string;
  /** Of a cut: the other side. */
  readonly other: string;
  /** After the load has begun. */
  readonly atMs: number;
  /** Until it is started again, woken, joined again. */
  readonly lastsMs: number;
}

/** What the operator wants of a range that is chosen when the time has come. */
export interface Wish {
  readonly name: string;
  readonly kind: 'split' | 'merge' | 'move';
  readonly atMs: number;
  /** From 0 to 1, of those that there are. */
  readonly choice: number;
  /** Of a move. */
  readonly shard: string;
  readonly isTakenBack: boolean;
  /** Of a split: instead of that, the range goes to the other store. */
  readonly isToOtherStore: boolean;
}

export interface Plan {
  readonly wishes: readonly Wish[];
  readonly faults: readonly PlannedFault[];
  readonly rates: FaultRates;
  /** Messages that each lane hands over at a time, and when, after the load has begun. */
  readonly bursts: readonly Burst[];
}

export interface Burst {
  readonly lane: number;
  readonly atMs: number;
  readonly count: number;
}

export interface Cast {
  /** What can be killed, stopped and paused. */
  readonly machines: readonly string[];
  /** What can be paused, and cut off from a machine. */
  readonly servers: readonly string[];
  /** Where ranges can be moved to. */
  readonly shards: readonly string[];
  readonly lanes: number;
}

/** The load, and the faults in it. */
export const loadMs = 20_000;

const faultsMax = 9;
const wishesMax = 4;
const burstMessagesMax = 4;
const burstsOfLaneMax = 3;

const noMargin = { ofLoad: 0, ofCapacity: 0 };

/**
 * In half of the seeds the coordinator decides by a load of some messages as it does elsewhere by hundreds a second, within
 * seconds, and without the gap between hot and cold: here it matters what is done and not how often. In the others its
 * usual windows are longer than a run.
 */
export function decisionsOf(seed: number): NonNullable<CoordinatorDependencies['decisions']> {
  if (hashOf(seed, 'decisions by load') < 0.5) return {};
  return {
    shapeLookMs: 2_000,
    rangesPerShardMin: 1,
    averageMs: 1_500,
    peakMs: 1_500,
    hotShare: 0.0008,
    hotterThanMeanShare: 0.0004,
    coldShare: 0.001,
    moveRestMs: 3_000,
    splitRestMs: 2_000,
    balanceMargins: { begin: noMargin, goOn: noMargin },
  };
}

export function planOf(seed: number, { machines, servers, shards, lanes }: Cast): Plan {
  const number = (name: string): number => hashOf(seed, `plan ${name}`);
  const one = <T>(name: string, list: readonly [T, ...T[]] | readonly T[]): T => {
    const chosen = list[Math.floor(number(name) * list.length)];
    if (chosen === undefined) throw new Error('there is nothing to choose from');
    return chosen;
  };
  const faults = Array.from({ length: Math.floor(number('faults') * (faultsMax + 1)) }, (_, index): PlannedFault => {
    const kind = one(`kind ${index}`, ['kill', 'kill', 'stop', 'pause', 'pause', 'cut', 'cut'] as const);
    // Now and then a server stands still; each is more than one machine in a cluster, and is not killed.
    const isServer = kind === 'pause' && number(`server ${index}`) < 0.2;
    const target = one(`target ${index}`, isServer ? servers : machines);
    const other =
      kind === 'cut'
        ? one(
            `other ${index}`,
            [...servers, ...machines].filter((name) => name !== target),
          )
        : '';
    const atMs = Math.round(number(`at ${index}`) * loadMs);
    const lastsMs = Math.round(lastsMsMax[kind] * number(`lasts ${index}`) ** 2);
    const seconds = (atMs / 1000).toFixed(3);
    const name = `${kind} ${target}${other === '' ? '' : ` from ${other}`} at ${seconds}`;
    return { name, kind, target, other, atMs, lastsMs };
  });
  const wishes = Array.from({ length: Math.floor(number('wishes') * (wishesMax + 1)) }, (_, index): Wish => {
    const kind = one(`wish ${index}`, ['split', 'split', 'merge', 'move'] as const);
    const atMs = Math.round(number(`wish at ${index}`) * loadMs);
    return {
      name: `${kind} wanted at ${(atMs / 1000).toFixed(3)}`,
      kind,
      atMs,
      choice: number(`wish choice ${index}`),
      shard: one(`wish shard ${index}`, shards),
      isTakenBack: number(`taken back ${index}`) < 0.15,
      isToOtherStore: number(`to other store ${index}`) < 0.35,
    };
  });
  const rate = (name: string, most: number): number => (number(`has ${name}`) < 0.5 ? 0 : most * number(name) ** 2);
  const bursts = Array.from({ length: lanes }, (_, lane) =>
    Array.from({ length: 1 + Math.floor(number(`bursts ${lane}`) * burstsOfLaneMax) }, (_ignored, index): Burst => {
      const name = `burst ${lane} ${index}`;
      return {
        lane,
        atMs: Math.round(number(name) * loadMs),
        count: 1 + Math.floor(number(`${name} size`) * burstMessagesMax),
      };
    }).toSorted((a, b) => a.atMs - b.atMs),
  ).flat();
  return {
    faults: faults.toSorted((a, b) => a.atMs - b.atMs),
    wishes,
    rates: {
      requestLost: rate('lost requests', 25),
      answerLost: rate('lost answers', 40),
      delayed: rate('delays', 40),
      atStep: rate('strikes', 200),
    },
    bursts,
  };
}

/** Some last longer than leases, sessions and time-outs. */
const lastsMsMax: Readonly<Record<PlannedKind, number>> = { kill: 8_000, stop: 6_000, pause: 16_000, cut: 16_000 };
