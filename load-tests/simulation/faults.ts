/**
 * Faults, by name. Whether one happens is decided by a hash of the seed and its name, never by a common stream of
 * random numbers: without one of them all others stay what they were. So a failing run can be made again with fewer.
 */

/** How often each kind happens, of a thousand chances. */
export interface FaultRates {
  /** A request does not arrive. */
  readonly requestLost: number;
  /** What was asked for was done, and the answer does not arrive. */
  readonly answerLost: number;
  /** A request or an answer takes up to some seconds. */
  readonly delayed: number;
  /** A process is killed or paused as a reshape that concerns it comes to a step. */
  readonly atStep: number;
}

export const noFaults: FaultRates = { requestLost: 0, answerLost: 0, delayed: 0, atStep: 0 };

export interface Fault {
  readonly name: string;
  readonly atMs: number;
}

export class Faults {
  readonly #seed: number;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #now: () => number;
  readonly #counts = new Map<string, number>();
  /** What happened, in order. */
  readonly happened: Fault[] = [];

  /** @param only the faults that may happen; absent: all */
  constructor(seed: number, only: ReadonlySet<string> | undefined, now: () => number) {
    this.#seed = seed;
    this.#only = only;
    this.#now = now;
  }

  /** Whether the next chance of its kind at this place is taken. */
  happens(place: string, perThousand: number): boolean {
    if (perThousand === 0) return false;
    const name = this.#nextName(place);
    return hashOf(this.#seed, name) * 1000 < perThousand && this.take(name);
  }

  /** Of one that was planned: whether it is to happen; then it is noted. */
  take(name: string): boolean {
    if (this.#only !== undefined && !this.#only.has(name)) return false;
    this.happened.push({ name, atMs: this.#now() });
    return true;
  }

  /** The next number from 0 to 1 at a place; not a fault. */
  number(place: string): number {
    return hashOf(this.#seed, this.#nextName(place));
  }

  #nextName(place: string): string {
    const count = (this.#counts.get(place) ?? 0) + 1;
    this.#counts.set(place, count);
    return `${place}:${count}`;
  }
}

/** From 0 to 1: FNV-1a, then the last steps of murmur3, so that neighbours are far apart. */
export function hashOf(seed: number, text: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
