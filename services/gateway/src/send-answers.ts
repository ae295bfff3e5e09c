/**
 * The answers of one stream: they come in any order and go out in the order of the messages.
 *
 * Invariant: at most a window and a frame of messages is unanswered; the reader waits for room.
 */
import { create } from '@bufbuild/protobuf';
import { SendResultSchema, type SendResult } from '@chappe/proto/v1/message_service';
import { toWireError } from '@chappe/rpc/status';
import { answersPerFrameMax } from './limits.ts';
import type { SendOutcome } from './send-batcher.ts';

export class SendAnswers {
  readonly #window: number;
  /** By index; removed as they are sent. */
  readonly #results = new Map<number, SendResult>();
  #taken = 0;
  #sent = 0;
  #ended = false;
  #changed = Promise.withResolvers<void>();

  constructor(window: number) {
    this.#window = window;
  }

  /** The place of the next message of the stream. */
  take(): number {
    const index = this.#taken;
    this.#taken += 1;
    return index;
  }

  answer(index: number, outcome: SendOutcome): void {
    const result =
      outcome.kind === 'accepted'
        ? ({ case: 'messageId', value: outcome.messageId } as const)
        : ({ case: 'error', value: toWireError(outcome.error) } as const);
    this.#results.set(index, create(SendResultSchema, { result }));
    if (index === this.#sent) this.#change();
  }

  /** Resolves when fewer than a window are unanswered. */
  async room(): Promise<void> {
    while (this.#taken - this.#sent >= this.#window) await this.#changed.promise;
  }

  /** No message comes any more; `frames` ends when all are answered. */
  end(): void {
    this.#ended = true;
    this.#change();
  }

  /** What can be said, in order. */
  async *frames(): AsyncIterable<{ acknowledged: bigint; results: SendResult[] }> {
    for (;;) {
      const results = this.#takeResults();
      if (results.length > 0) {
        yield { acknowledged: BigInt(this.#sent), results };
        this.#change();
        continue;
      }
      if (this.#ended && this.#sent === this.#taken) return;
      await this.#changed.promise;
    }
  }

  #takeResults(): SendResult[] {
    const results: SendResult[] = [];
    while (results.length < answersPerFrameMax) {
      const result = this.#results.get(this.#sent);
      if (result === undefined) break;
      this.#results.delete(this.#sent);
      this.#sent += 1;
      results.push(result);
    }
    return results;
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    resolve();
  }
}
