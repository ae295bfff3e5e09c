/** What happened in a run, line by line, for whoever looks at a failing seed. */
import type { VirtualTime } from './virtual-time.ts';

export class Trace {
  readonly #time: VirtualTime;
  readonly lines: string[] = [];

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  say(who: string, what: string): void {
    this.lines.push(`${(this.#time.nowMs / 1000).toFixed(4).padStart(9)}  ${who.padEnd(14)} ${what}`);
  }
}
