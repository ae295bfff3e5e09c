/**
 * A part of a load test in a process of its own (driver, reader, fleet): asked one thing at a time, and telling
 * what it notes meanwhile in batches.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { nodeEnvironment } from '../cluster/node-settings.ts';

/** What a child sends: the answer to what it was asked, or rows of numbers. */
export type FromChild =
  | { readonly kind: 'answer'; readonly value: unknown }
  | { readonly kind: 'failed'; readonly reason: string }
  | { readonly kind: 'notes'; readonly topic: string; readonly rows: Float64Array };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export class Child<Request> implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #onNotes: (topic: string, rows: Float64Array) => void;
  #waiting: Waiting | undefined;

  constructor(file: string, onNotes: (topic: string, rows: Float64Array) => void, execArgv: readonly string[] = []) {
    this.#onNotes = onNotes;
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), {
      serialization: 'advanced',
      execArgv: [...execArgv],
      env: { ...process.env, ...nodeEnvironment },
    });
    this.#process.on('message', (message) => this.#take(message as FromChild));
    this.#process.on('exit', (code, signal) => {
      this.#waiting?.reject(new Error(`${file} ended with ${code ?? signal}`));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** @throws Error what failed in the child */
  async ask<Answer = void>(request: Request): Promise<Answer> {
    if (this.#waiting !== undefined) throw new Error('one question at a time');
    const answer = new Promise<unknown>((resolve, reject) => (this.#waiting = { resolve, reject }));
    this.#process.send(request as object);
    try {
      return (await answer) as Answer;
    } finally {
      this.#waiting = undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    if (this.#process.connected) this.#process.disconnect();
    await ended;
  }

  #take(message: FromChild): void {
    switch (message.kind) {
      case 'notes':
        this.#onNotes(message.topic, message.rows);
        return;
      case 'answer':
        this.#waiting?.resolve(message.value);
        return;
      case 'failed':
        this.#waiting?.reject(new Error(message.reason));
    }
  }
}
