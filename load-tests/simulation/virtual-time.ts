/**
 * Virtual time: one queue of what is going to happen, by its moment; nothing happens but by it.
 *
 * Whatever runs belongs to a process of the simulation (`Life`), known by its async context. Timers, immediates and
 * all that comes over the network are entries of the queue that name whose they are. So a life that has ended gets
 * no further, whatever its promises wait for, and one that is paused finds everything that came meanwhile when it
 * wakes, while the clock has gone on.
 *
 * Between two entries all promises are worked off that can be. Nothing in here may wait for anything real: then the
 * same seed makes the same run.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

/** One start of a process. */
export class Life {
  readonly name: string;
  /** Told apart in the trace: the first, second, ... start under this name. */
  readonly number: number;
  #state: 'running' | 'paused' | 'ended' = 'running';
  /** What came while it was paused, in order. */
  readonly held: Entry[] = [];
  readonly #endings: (() => void)[] = [];

  constructor(name: string, number: number) {
    this.name = name;
    this.number = number;
  }

  get state(): 'running' | 'paused' | 'ended' {
    return this.#state;
  }

  get label(): string {
    return this.number === 1 ? this.name : `${this.name}#${this.number}`;
  }

  /** Called by the world when this life ends; at once if it has. */
  onEnd(ending: () => void): void {
    if (this.#state === 'ended') ending();
    else this.#endings.push(ending);
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state === 'paused') this.#state = 'running';
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.held.length = 0;
    for (const ending of this.#endings.splice(0)) ending();
  }
}

export interface Entry {
  atMs: number;
  no: number;
  readonly life: Life;
  readonly act: () => void;
  isCancelled: boolean;
}

interface Here {
  readonly time: VirtualTime;
  readonly life: Life;
}

const context = new AsyncLocalStorage<Here>();

/** Whose code is running; undefined: none of a simulation's. */
export function here(): Here | undefined {
  return context.getStore();
}

/** So many entries without the clock going on are a loop that never ends. */
const entriesAtOneMomentMax = 20_000;

const realSetImmediate = setImmediate;

export class VirtualTime {
  /** Milliseconds since 1970 at the beginning: a Tuesday. */
  static readonly startMs = Date.UTC(2026, 0, 6, 12);
  #nowMs = 0;
  #no = 0;
  #done = 0;
  readonly #queue = new Heap();

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Entries that were worked off. */
  get steps(): number {
    return this.#done;
  }

  /** Has something done after a while, as part of a life. */
  after(waitMs: number, life: Life, act: () => void): Entry {
    const entry = { atMs: 0, no: 0, life, act, isCancelled: false };
    this.#enqueue(entry, waitMs);
    return entry;
  }

  /** Runs code as part of a life, until it waits for the first time. */
  enter<T>(life: Life, act: () => T): T {
    return context.run({ time: this, life }, act);
  }

  /** A paused life goes on with what came meanwhile, in its order. */
  wake(life: Life): void {
    life.resume();
    for (const entry of life.held.splice(0)) this.#enqueue(entry, 0);
  }

  /**
   * Works the queue off until a time, or until asked to stop.
   *
   * @throws Error if the clock does not go on any more
   */
  async run(untilMs: number, isDone: () => boolean): Promise<void> {
    let [momentMs, entries] = [this.#nowMs, 0];
    await settled();
    while (!isDone()) {
      const entry = this.#queue.peek();
      if (entry === undefined || entry.atMs > untilMs) {
        this.#nowMs = untilMs;
        return;
      }
      this.#queue.pop();
      if (entry.isCancelled || entry.life.state === 'ended') continue;
      if (entry.life.state === 'paused') {
        entry.life.held.push(entry);
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, entry.atMs);
      entries = this.#nowMs === momentMs ? entries + 1 : 0;
      momentMs = this.#nowMs;
      if (entries > entriesAtOneMomentMax) throw new Error(`BOUND: ${entry.life.label} goes round without end`);
      this.#done += 1;
      this.enter(entry.life, entry.act);
      await settled();
    }
  }

  #enqueue(entry: Entry, waitMs: number): void {
    this.#no += 1;
    entry.no = this.#no;
    entry.atMs = this.#nowMs + Math.max(0, waitMs);
    this.#queue.push(entry);
  }
}

/** Every promise is worked off that does not wait for the queue. */
function settled(): Promise<void> {
  return new Promise((resolve) => realSetImmediate(resolve));
}

/** By moment; entries of one moment in the order in which they came. */
class Heap {
  readonly #entries: Entry[] = [];

  peek(): Entry | undefined {
    return this.#entries[0];
  }

  push(entry: Entry): void {
    const entries = this.#entries;
    let place = entries.push(entry) - 1;
    while (place > 0) {
      const parent = (place - 1) >>> 1;
      const other = entries[parent];
      if (other === undefined || !isBefore(entry, other)) break;
      entries[place] = other;
      place = parent;
    }
    entries[place] = entry;
  }

  pop(): void {
    const entries = this.#entries;
    const last = entries.pop();
    if (last === undefined || entries.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      let next = entries[child];
      const right = entries[child + 1];
      if (next === undefined) break;
      if (right !== undefined && isBefore(right, next)) {
        child += 1;
        next = right;
      }
      if (!isBefore(next, last)) break;
      entries[place] = next;
      place = child;
    }
    entries[place] = last;
  }
}

function isBefore(a: Entry, b: Entry): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.no < b.no);
}
