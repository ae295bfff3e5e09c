/** The message centre, as the run sees it. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface SmscRequest {
  readonly kind: 'listen';
  readonly port: number;
}

export type SmscAnswer =
  | { readonly kind: 'listening' }
  /** Indexes of messages with the time of their submit_sm on the monotonic clock. */
  | { readonly kind: 'received'; readonly messages: readonly (readonly [number, number])[] };

export class Smsc implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #listening = Promise.withResolvers<void>();
  #isEnding = false;

  constructor(onReceived: (index: number, atMs: number) => void) {
    this.#child = fork(fileURLToPath(new URL('smsc-process.ts', import.meta.url)), { serialization: 'advanced' });
    this.#child.on('message', (message) => {
      const answer = message as SmscAnswer;
      if (answer.kind === 'listening') this.#listening.resolve();
      else for (const [index, atMs] of answer.messages) onReceived(index, atMs);
    });
    this.#child.once('exit', () => {
      if (!this.#isEnding) throw new Error('the message centre ended by itself');
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async listen(port: number): Promise<void> {
    const request: SmscRequest = { kind: 'listen', port };
    this.#child.send(request);
    await this.#listening.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}
