/** Processes that run seeds, as many as there are cores; each does one at a time. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Outcome, Task } from './seeds-process.ts';

/** A seed takes half a second; one that takes so long goes round in itself. */
const seedMsMax = 120_000;

export class SeedWorkers implements AsyncDisposable {
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  readonly #waiting: ((child: ChildProcess) => void)[] = [];

  constructor(count = availableParallelism()) {
    for (let index = 0; index < count; index += 1) this.#idle.push(this.#start());
  }

  get count(): number {
    return this.#all.size;
  }

  /** Waits for a process that is free, and for what it finds. */
  async run(task: Task): Promise<Outcome> {
    const child = this.#idle.pop() ?? (await new Promise<ChildProcess>((resolve) => this.#waiting.push(resolve)));
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), seedMsMax);
    try {
      const answer = once(child, 'message', { signal: over.signal });
      const end = once(child, 'exit', { signal: over.signal });
      // Whichever does not come is waited for no longer.
      end.catch(() => undefined);
      child.send(task);
      const [outcome] = (await Promise.race([answer, end])) as [Outcome | number | null];
      if (typeof outcome === 'object' && outcome !== null) {
        this.#free(child);
        return outcome;
      }
      return this.#replace(child, `the process that ran it ended with ${String(outcome)}`);
    } catch {
      return this.#replace(child, `it did not come to its end within ${seedMsMax / 1000} s`);
    } finally {
      clearTimeout(timer);
      over.abort();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#all) {
      const end = once(child, 'exit');
      child.kill();
      await end;
    }
    this.#all.clear();
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(new URL('seeds-process.ts', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#all.add(child);
    return child;
  }

  #free(child: ChildProcess): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(child);
    else next(child);
  }

  #replace(child: ChildProcess, problem: string): Outcome {
    this.#all.delete(child);
    child.kill('SIGKILL');
    this.#free(this.#start());
    return { problems: [`BOUND: ${problem}`], faults: [], trace: [], steps: 0, virtualMs: 0, messages: 0 };
  }
}
