/** The handsets of a benchmark, as its driver sees them. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type FleetRequest =
  | { readonly kind: 'start'; readonly address: string; readonly codesFile: string }
  | { readonly kind: 'register'; readonly numbers: readonly string[]; readonly preKeyCount: number }
  | { readonly kind: 'connect'; readonly numbers: readonly string[] }
  | { readonly kind: 'usage' };

export type FleetAnswer =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'usage'; readonly cpu: NodeJS.CpuUsage; readonly rssBytes: number }
  /** Message ids with the time of showing, milliseconds since 1970 with fractions. */
  | { readonly kind: 'shown'; readonly messages: readonly (readonly [string, number])[] };

export class Fleet implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** By message id: when it was shown. A second showing is counted in `repeats`. */
  readonly shownAtMs = new Map<string, number>();
  repeats = 0;
  #waiting: ((answer: FleetAnswer) => void) | undefined;
  #changed = Promise.withResolvers<void>();

  constructor() {
    this.#child = fork(fileURLToPath(new URL('fleet-process.ts', import.meta.url)), { serialization: 'advanced' });
    this.#child.on('message', (message) => this.#take(message as FleetAnswer));
  }

  async start(address: string, codesFile: string): Promise<void> {
    await this.#ask({ kind: 'start', address, codesFile });
  }

  async register(numbers: readonly string[], preKeyCount: number): Promise<void> {
    await this.#ask({ kind: 'register', numbers, preKeyCount });
  }

  async connect(numbers: readonly string[]): Promise<void> {
    await this.#ask({ kind: 'connect', numbers });
  }

  async usage(): Promise<{ cpuMs: number; rssBytes: number }> {
    const answer = await this.#ask({ kind: 'usage' });
    if (answer.kind !== 'usage') throw new Error('not what was asked for');
    return { cpuMs: (answer.cpu.user + answer.cpu.system) / 1000, rssBytes: answer.rssBytes };
  }

  /** Resolves when so many different messages were shown; false after `timeoutMs` without progress. */
  async showed(count: number, timeoutMs: number): Promise<boolean> {
    while (this.shownAtMs.size < count) {
      const timer = Promise.withResolvers<'late'>();
      const timeout = setTimeout(() => timer.resolve('late'), timeoutMs);
      const result = await Promise.race([this.#changed.promise, timer.promise]);
      clearTimeout(timeout);
      if (result === 'late') return false;
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }

  #ask(request: FleetRequest): Promise<FleetAnswer> {
    return new Promise((resolve, reject) => {
      this.#waiting = (answer) => {
        if (answer.kind === 'failed') reject(new Error(answer.reason));
        else resolve(answer);
      };
      this.#child.send(request);
    });
  }

  #take(answer: FleetAnswer): void {
    if (answer.kind !== 'shown') {
      this.#waiting?.(answer);
      return;
    }
    for (const [messageId, atMs] of answer.messages) {
      if (this.shownAtMs.has(messageId)) this.repeats += 1;
      else this.shownAtMs.set(messageId, atMs);
    }
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }
}
