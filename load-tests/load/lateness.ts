/** How well a process that sends kept to its schedule. */
import { createHistogram } from 'node:perf_hooks';

export interface Driven {
  /** On the monotonic clock of the machine. */
  readonly startMs: number;
  /** When the last message was handed over. */
  readonly handedOverMs: number;
  readonly lateness: Lateness;
}

/** By how much messages were handed over after they were due. */
export interface Lateness {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** A histogram of bounded size (HDR), in microseconds up to ten minutes. */
export class LatenessMeter {
  readonly #histogram = createHistogram({ lowest: 1, highest: 600_000_000, figures: 3 });

  note(lateMs: number): void {
    this.#histogram.record(Math.max(1, Math.round(lateMs * 1_000)));
  }

  read(): Lateness {
    const msAt = (percentile: number): number => this.#histogram.percentile(percentile) / 1_000;
    return { p50Ms: msAt(50), p99Ms: msAt(99), maxMs: this.#histogram.max / 1_000 };
  }
}

/** Of several processes the one that was latest. */
export function latest(all: readonly Driven[]): Driven {
  const most = (pick: (driven: Driven) => number): number => Math.max(...all.map(pick));
  return {
    startMs: Math.min(...all.map(({ startMs }) => startMs)),
    handedOverMs: most(({ handedOverMs }) => handedOverMs),
    lateness: {
      p50Ms: most(({ lateness }) => lateness.p50Ms),
      p99Ms: most(({ lateness }) => lateness.p99Ms),
      maxMs: most(({ lateness }) => lateness.maxMs),
    },
  };
}
