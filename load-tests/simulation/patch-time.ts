/**
 * Puts virtual time in the place of Node's timers and clocks, for code that runs as part of a simulation. All other
 * code in this process keeps the real ones. To import it is enough.
 *
 * Services take their wall clock as a dependency, but timers and `performance.now()` from Node, as most code does; to
 * hand those in at some thirty places would cost their readers more than this file.
 *
 * Files are read at once: reading them is all that services wait for beside timers and servers (their migrations).
 */
import { readdirSync, readFileSync } from 'node:fs';
import filePromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers';
import timerPromises from 'node:timers/promises';
import { seededRandom } from '../faults/seeded-random.ts';
import { here, VirtualTime, type Entry, type Life } from './virtual-time.ts';

const real = {
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
  setImmediate,
  clearImmediate,
  dateNow: Date.now,
  random: Math.random,
  performanceNow: performance.now.bind(performance),
  pause: timerPromises.setTimeout,
  turn: timerPromises.setImmediate,
  readFile: filePromises.readFile,
  readdir: filePromises.readdir,
};

/** What `setTimeout` and its like return: the part of `NodeJS.Timeout` that services use. */
class Timer {
  readonly #time: VirtualTime;
  readonly #life: Life;
  readonly #everyMs: number | undefined;
  readonly #act: () => void;
  #entry: Entry | undefined;

  constructor(time: VirtualTime, life: Life, waitMs: number, everyMs: number | undefined, act: () => void) {
    this.#time = time;
    this.#life = life;
    this.#everyMs = everyMs;
    this.#act = act;
    this.#arm(waitMs);
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }

  clear(): void {
    if (this.#entry !== undefined) this.#entry.isCancelled = true;
    this.#entry = undefined;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #arm(waitMs: number): void {
    this.#entry = this.#time.after(waitMs, this.#life, () => {
      if (this.#everyMs !== undefined) this.#arm(this.#everyMs);
      this.#act();
    });
  }
}

type Callback = (...args: unknown[]) => void;

function startTimer(
  callback: Callback,
  waitMs: number,
  args: readonly unknown[],
  isRepeated: boolean,
): Timer | undefined {
  const now = here();
  if (now === undefined) return undefined;
  // As Node does it: at least a millisecond.
  const ms = Math.max(1, Math.trunc(waitMs));
  return new Timer(now.time, now.life, ms, isRepeated ? ms : undefined, () => callback(...args));
}

function stopTimer(timer: unknown, stopReal: (timer: never) => void): void {
  if (timer instanceof Timer) timer.clear();
  else stopReal(timer as never);
}

const patched = {
  setTimeout: (callback: Callback, waitMs = 1, ...args: unknown[]) =>
    startTimer(callback, waitMs, args, false) ?? real.setTimeout(callback, waitMs, ...args),
  setInterval: (callback: Callback, waitMs = 1, ...args: unknown[]) =>
    startTimer(callback, waitMs, args, true) ?? real.setInterval(callback, waitMs, ...args),
  setImmediate: (callback: Callback, ...args: unknown[]) => {
    const now = here();
    if (now === undefined) return real.setImmediate(callback, ...args);
    return new Timer(now.time, now.life, 0, undefined, () => callback(...args));
  },
  clearTimeout: (timer: unknown) => stopTimer(timer, real.clearTimeout),
  clearInterval: (timer: unknown) => stopTimer(timer, real.clearInterval),
  clearImmediate: (timer: unknown) => stopTimer(timer, real.clearImmediate),
};

interface PauseOptions {
  readonly signal?: AbortSignal;
}

function pause<T>(waitMs: number, value: T, options: PauseOptions = {}): Promise<T> {
  if (here() === undefined) return real.pause(waitMs, value, options);
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const timer = patched.setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve(value);
    }, waitMs);
    const abort = (): void => {
      patched.clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', abort, { once: true });
  });
}

function turn<T>(value: T): Promise<T> {
  if (here() === undefined) return real.turn(value);
  return new Promise((resolve) => void patched.setImmediate(() => resolve(value)));
}

let chance = seededRandom(0);

/** Begins a run: what code gets from `Math.random()` is the same after the same call. */
export function resetChance(seed: number): void {
  chance = seededRandom(seed);
}

Object.assign(globalThis, patched);
Object.assign(timers, patched);
Object.assign(timerPromises, { setTimeout: pause, setImmediate: turn });
Object.defineProperty(performance, 'now', { value: () => here()?.time.nowMs ?? real.performanceNow() });
Date.now = () => {
  const time = here()?.time;
  return time === undefined ? real.dateNow() : Math.floor(VirtualTime.startMs + time.nowMs);
};
Math.random = () => (here() === undefined ? real.random() : chance());
Object.assign(filePromises, {
  readFile: (...args: Parameters<typeof readFileSync>) =>
    here() === undefined
      ? (real.readFile as (...all: unknown[]) => unknown)(...args)
      : Promise.resolve(readFileSync(...args)),
  readdir: (path: string) => (here() === undefined ? real.readdir(path) : Promise.resolve(readdirSync(path))),
});
syncBuiltinESMExports();
