/**
 * What lies between the processes of a simulation: calls that take time, may be lost on their way there or on their
 * way back, and streams that keep their order and may break. Two processes can be cut off from each other.
 *
 * What has left a process arrives even if the process ends meanwhile, as on a real network.
 */
import { ChappeError } from '@chappe/errors/chappe-error';
import type { Faults, FaultRates } from './faults.ts';
import { Life, type VirtualTime } from './virtual-time.ts';

/** No answer came. What was asked for was done or not. */
export class Unanswered extends Error {
  constructor(what: string) {
    super(`${what} was not answered`);
  }
}

export interface CallOptions {
  /** What is called, for the names of faults: `log append`. */
  readonly name: string;
  readonly timeoutMs: number;
}

/** Of a frame, a request, an answer: as between zones of a region. */
const usualMs = { least: 0.2, most: 1.5 } as const;
/** When it is slow: beyond some of the callers' time-outs. */
const slowMs = { least: 20, most: 6_000 } as const;
/** A process that ended resets its connections at once; one that is cut off is noticed by keepalives. */
const resetMs = { least: 0.5, most: 5 } as const;
const keepaliveMs = { least: 1_000, most: 10_000 } as const;

export class Network {
  readonly time: VirtualTime;
  readonly faults: Faults;
  rates: FaultRates;
  readonly #cuts = new Set<string>();

  constructor(time: VirtualTime, faults: Faults, rates: FaultRates) {
    this.time = time;
    this.faults = faults;
    this.rates = rates;
  }

  /** By process name, in both directions. */
  cut(a: string, b: string): void {
    this.#cuts.add(pairOf(a, b));
  }

  heal(a: string, b: string): void {
    this.#cuts.delete(pairOf(a, b));
  }

  healAll(): void {
    this.#cuts.clear();
  }

  isCut(a: Life, b: Life): boolean {
    return this.#cuts.has(pairOf(a.name, b.name));
  }

  /**
   * Has `work` done by another process.
   *
   * @throws Unanswered; whatever `work` throws
   */
  call<T>(from: Life, to: Life, { name, timeoutMs }: CallOptions, work: () => Promise<T> | T): Promise<T> {
    const { time, faults, rates } = this;
    const place = `${from.name}>${to.name} ${name}`;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const timer = time.after(timeoutMs, from, () => reject(new Unanswered(`${name} of ${to.name}`)));
    const answer = (settle: () => void): void => {
      if (this.isCut(from, to) || faults.happens(`${place}, answer lost`, this.rates.answerLost)) return;
      time.after(this.#delay(`${place}, answer`), from, () => {
        timer.isCancelled = true;
        settle();
      });
    };
    if (this.isCut(from, to) || faults.happens(`${place}, request lost`, rates.requestLost)) return promise;
    time.after(this.#delay(`${place}, request`), to, () => {
      void (async () => work())().then(
        (value) => answer(() => resolve(value)),
        (error: Error) => answer(() => reject(error)),
      );
    });
    return promise;
  }

  /** How long one thing is on its way. */
  #delay(place: string): number {
    const { faults, rates } = this;
    const isSlow = faults.happens(`${place} slow`, rates.delayed);
    return between(isSlow ? slowMs : usualMs, faults.number(place));
  }

  /**
   * Opens a stream of frames in both directions. `serve` runs in the other process; when it ends, the stream does.
   * Nothing is connected to a process that has ended or is cut off: the stream fails after a while.
   */
  stream<Up, Down>(
    from: Life,
    to: Life | undefined,
    name: string,
    serve: (end: StreamEnd<Down, Up>) => Promise<void>,
  ): StreamEnd<Up, Down> {
    const place = `${from.name}>${to?.name ?? 'nobody'} ${name}`;
    if (to === undefined || to.state === 'ended') {
      const none = new StreamEnd<Up, Down>(this, from, new Life('nobody', 1), place);
      this.time.after(between(resetMs, this.faults.number(place)), from, () => none.break());
      return none;
    }
    const mine = new StreamEnd<Up, Down>(this, from, to, `${place}, up`);
    const theirs = new StreamEnd<Down, Up>(this, to, from, `${place}, down`);
    mine.join(theirs);
    theirs.join(mine);
    if (this.isCut(from, to)) {
      mine.doom();
      return mine;
    }
    from.onEnd(() => theirs.breakSoon());
    to.onEnd(() => mine.breakSoon());
    this.time.after(this.#delay(`${place}, open`), to, () => {
      void serve(theirs).then(
        () => theirs.finish(),
        (error: Error) => theirs.finish(error),
      );
    });
    return mine;
  }

  transitMs(place: string): number {
    return this.#delay(place);
  }

  chanceMs(place: string, kind: 'reset' | 'keepalive'): number {
    return between(kind === 'reset' ? resetMs : keepaliveMs, this.faults.number(place));
  }
}

/** Unread frames beyond which a sender waits. */
const unreadMax = 64;

/** One end of a stream: sends `Out`, reads `In`. As a gRPC stream it serves for both ends. */
export class StreamEnd<Out, In> {
  readonly #network: Network;
  readonly #life: Life;
  readonly #peer: Life;
  readonly #place: string;
  #other: StreamEnd<In, Out> | undefined;
  #arrivesMs = 0;
  #frames: In[] = [];
  #unread = 0;
  #room: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #end: { readonly error?: Error } | undefined;
  #isDoomed = false;

  constructor(network: Network, life: Life, peer: Life, place: string) {
    this.#network = network;
    this.#life = life;
    this.#peer = peer;
    this.#place = place;
  }

  readonly bearer = '';

  get isOpen(): boolean {
    return this.#end === undefined;
  }

  join(other: StreamEnd<In, Out>): void {
    this.#other = other;
  }

  /** What comes, one by one, until the stream ends. @throws ChappeError if it breaks */
  get requests(): AsyncIterable<In> {
    return this.responses;
  }

  get responses(): AsyncIterable<In> {
    return { [Symbol.asyncIterator]: () => ({ next: () => this.#next() }) };
  }

  /** Resolves when more may be sent. Onto a broken stream nothing is sent, as in gRPC. */
  async send(frame: Out): Promise<void> {
    const other = this.#other;
    if (other === undefined || this.#end !== undefined || this.#isDoomed) return;
    if (this.#network.isCut(this.#life, this.#peer)) {
      this.doom();
      return;
    }
    this.#unread += 1;
    this.#carry(() => other.#take(frame));
    while (this.#unread > unreadMax && this.#end === undefined) {
      await new Promise<void>((resolve) => (this.#room = resolve));
    }
  }

  /** Ends it; the other end hears so after what was sent. */
  finish(error?: Error): void {
    const other = this.#other;
    if (this.#end === undefined && other !== undefined && !this.#isDoomed) this.#carry(() => other.#close(error));
    this.#close();
  }

  cancel(): void {
    this.finish();
  }

  end(): void {
    this.finish();
  }

  /** The connection is gone: both ends hear so. */
  break(): void {
    this.#close(broken());
  }

  breakSoon(): void {
    this.#network.time.after(this.#network.chanceMs(this.#place, 'reset'), this.#life, () => this.break());
  }

  /** Nothing goes through any more, and either end notices by itself, some time. */
  doom(): void {
    for (const end of [this, this.#other]) {
      if (end === undefined || end.#isDoomed) continue;
      end.#isDoomed = true;
      this.#network.time.after(this.#network.chanceMs(this.#place, 'keepalive'), end.#life, () => end.break());
    }
  }

  /** In order, whatever each frame alone would take. */
  #carry(act: () => void): void {
    const { time } = this.#network;
    this.#arrivesMs = Math.max(this.#arrivesMs, time.nowMs + this.#network.transitMs(this.#place));
    time.after(this.#arrivesMs - time.nowMs, this.#peer, () => {
      if (this.#network.isCut(this.#life, this.#peer)) this.doom();
      else act();
    });
  }

  #take(frame: In): void {
    if (this.#end !== undefined || this.#isDoomed) return;
    this.#frames.push(frame);
    this.#wake?.();
  }

  #close(error?: Error): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#wake?.();
    this.#room?.();
  }

  async #next(): Promise<IteratorResult<In>> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) {
        this.#wasRead();
        return { value: frame, done: false };
      }
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return { value: undefined, done: true };
      await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#wake = undefined;
    }
  }

  #wasRead(): void {
    const other = this.#other;
    if (other === undefined) return;
    this.#network.time.after(usualMs.least, this.#peer, () => {
      other.#unread -= 1;
      other.#room?.();
    });
  }
}

function between({ least, most }: { readonly least: number; readonly most: number }, part: number): number {
  return least + (most - least) * part;
}

function pairOf(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

function broken(): ChappeError {
  return new ChappeError('notReady', 'the connection is broken');
}
