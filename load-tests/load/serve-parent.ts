/** The other end of `Child`: what a child process does with what it is asked, and how it tells what it notes. */
import type { FromChild } from './child.ts';

/** Notes are told this often: a few messages a second whatever the rate, and a look once a second sees most of them. */
const tellMs = 100;

/** @param take is asked by the parent, which knows the type of its requests */
export function serveParent(take: (request: never) => Promise<unknown>): void {
  process.on('message', (message) => {
    take(message as never).then(
      (value) => send({ kind: 'answer', value }),
      (error: unknown) => send({ kind: 'failed', reason: textOf(error) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

/** Rows of `width` numbers on one topic, told in batches and in order. */
export class Notes {
  readonly #topic: string;
  #rows: number[] = [];
  #isWaiting = false;

  constructor(topic: string) {
    this.#topic = topic;
  }

  add(...row: readonly number[]): void {
    for (const value of row) this.#rows.push(value);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setTimeout(() => this.tell(), tellMs);
  }

  tell(): void {
    this.#isWaiting = false;
    if (this.#rows.length === 0) return;
    send({ kind: 'notes', topic: this.#topic, rows: Float64Array.from(this.#rows) });
    this.#rows = [];
  }
}

function send(message: FromChild): void {
  process.send?.(message);
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return `${error.stack ?? error.message}${error.cause === undefined ? '' : `\ncaused by ${textOf(error.cause)}`}`;
}
