/** A process of the simulated cluster that is started, killed, paused and started again under one name. */
import type { Trace } from './trace.ts';
import { Life, type VirtualTime } from './virtual-time.ts';

/** Starts what runs in it; how it is stopped in an orderly way. */
export type Program = (life: Life) => Promise<AsyncDisposable>;

/** What an orderly stop may take until it is killed. */
const stopMsMax = 10_000;
/** Until a supervisor has noticed that it is gone. */
const restartMs = 500;

/** Whose watching over processes waits for none of them. */
const operator = new Life('operator', 1);

export class Machine {
  readonly name: string;
  readonly #time: VirtualTime;
  readonly #trace: Trace;
  readonly #program: Program;
  #life: Life | undefined;
  #starts = 0;
  /** It is to run: whenever it has ended, it is started again. */
  #isWanted = false;
  #running: AsyncDisposable | undefined;

  constructor(name: string, time: VirtualTime, trace: Trace, program: Program) {
    this.name = name;
    this.#time = time;
    this.#trace = trace;
    this.#program = program;
  }

  /** The present start; undefined: it does not run. */
  get life(): Life | undefined {
    return this.#life?.state === 'ended' ? undefined : this.#life;
  }

  start(): void {
    this.#isWanted = true;
    if (this.life !== undefined) return;
    this.#starts += 1;
    const life = new Life(this.name, this.#starts);
    this.#life = life;
    life.onEnd(() => void this.#time.after(restartMs, operator, () => this.#isWanted && this.start()));
    this.#trace.say(life.label, 'starts');
    this.#time.after(0, life, () => void this.#run(life));
  }

  /** As kill -9: whatever it waits for, it gets no further. */
  crash(): void {
    this.#isWanted = false;
    if (this.life === undefined) return;
    this.#trace.say(this.life.label, 'is killed');
    this.#life?.end();
    this.#running = undefined;
  }

  /** As SIGTERM; killed if it takes too long. */
  stop(): void {
    const life = this.life;
    const running = this.#running;
    this.#isWanted = false;
    if (life === undefined) return;
    this.#trace.say(life.label, 'is told to stop');
    this.#time.after(0, life, () => {
      void running?.[Symbol.asyncDispose]().then(() => {
        this.#trace.say(life.label, 'has stopped');
        life.end();
      });
    });
    this.#time.after(stopMsMax, operator, () => life.end());
  }

  pause(): void {
    this.life?.pause();
  }

  wake(): void {
    if (this.life !== undefined) this.#time.wake(this.life);
  }

  async #run(life: Life): Promise<void> {
    try {
      const running = await this.#program(life);
      if (this.#life === life) this.#running = running;
    } catch (error) {
      this.#trace.say(life.label, `did not start: ${error instanceof Error ? error.message : String(error)}`);
      life.end();
    }
  }
}
