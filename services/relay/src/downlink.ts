/**
 * What waits to be written to one device. Pure state, bounded: envelopes and outcomes by limits of their own,
 * everything else by what the device may have in flight.
 */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  ConnectResponseSchema,
  type ConnectResponse,
  type Envelope,
  type Forget,
  type Outcome,
  type RefusedSchema,
  type Unreadable,
} from '@chappe/proto/device/device_service';
import { envelopesPerFrameMax, outcomesGatheredMax, queuedBytesMax, queuedEnvelopesMax } from './limits.ts';

type Frame = Exclude<MessageInitShape<typeof ConnectResponseSchema>['frame'], undefined>;

export interface NextFrame {
  readonly response: ConnectResponse;
  /** Envelopes in it. */
  readonly envelopes: number;
  /** Answers to Outbound and Block in it. */
  readonly answers: number;
}

export class Downlink {
  #envelopes: Envelope[] = [];
  #bytes = 0;
  #incarnation = 0;
  #forget: Forget | undefined;
  #received: string[] = [];
  #unreadable: Unreadable[] = [];
  #isGatheredDue = false;
  #confirmed: string[] = [];
  #refused: MessageInitShape<typeof RefusedSchema>[] = [];
  #refill = 0;

  /** False: they do not fit behind what waits, and were not taken. */
  push(incarnation: number, envelopes: readonly Envelope[]): boolean {
    if (incarnation !== this.#incarnation) {
      // What the former incarnation numbered says nothing any more.
      this.clearEnvelopes();
      this.#incarnation = incarnation;
    }
    let bytes = 0;
    for (const { ciphertext } of envelopes) bytes += ciphertext.length;
    const isTooMuch =
      this.#envelopes.length + envelopes.length > queuedEnvelopesMax || this.#bytes + bytes > queuedBytesMax;
    // Alone it is taken, whatever its size: nothing would be written that could make room for it.
    if (isTooMuch && this.#envelopes.length > 0) return false;
    this.#envelopes = this.#envelopes.length === 0 ? [...envelopes] : this.#envelopes.concat(envelopes);
    this.#bytes += bytes;
    return true;
  }

  clearEnvelopes(): void {
    this.#envelopes = [];
    this.#bytes = 0;
  }

  hasEnvelopes(): boolean {
    return this.#envelopes.length > 0;
  }

  forget(forget: Forget): void {
    this.#forget = forget;
  }

  /** What does not fit is dropped: the device sends again what it has heard nothing of. */
  outcome({ received, unreadable }: Outcome): void {
    const room = outcomesGatheredMax - this.#received.length - this.#unreadable.length;
    this.#unreadable.push(...unreadable.slice(0, room));
    this.#received.push(...received.slice(0, Math.max(0, room - unreadable.length)));
  }

  /** What the device may forget by now, and what became of its replies, is written next. */
  releaseGathered(): void {
    this.#isGatheredDue = true;
  }

  confirm(id: string): void {
    this.#confirmed.push(id);
  }

  refuse(id: string, code: number, detail: string): void {
    this.#refused.push({ id, code, detail });
  }

  refill(count: number): void {
    this.#refill = count;
  }

  /** The next frame to write; answers first, so that the device's window moves on. */
  next(): NextFrame | undefined {
    const refused = this.#refused.shift();
    if (refused !== undefined) return frame({ case: 'refused', value: refused }, 0, 1);
    if (this.#confirmed.length > 0) {
      const ids = this.#confirmed;
      this.#confirmed = [];
      return frame({ case: 'confirmed', value: { ids } }, 0, ids.length);
    }
    const gathered = this.#isGatheredDue ? this.#takeGathered() : undefined;
    if (gathered !== undefined) return frame(gathered, 0, 0);
    if (this.#envelopes.length > 0) {
      const envelopes = this.#envelopes.splice(0, envelopesPerFrameMax);
      for (const { ciphertext } of envelopes) this.#bytes -= ciphertext.length;
      return frame({ case: 'envelopes', value: { incarnation: this.#incarnation, envelopes } }, envelopes.length, 0);
    }
    if (this.#refill > 0) {
      const count = this.#refill;
      this.#refill = 0;
      return frame({ case: 'refillPreKeys', value: { count } }, 0, 0);
    }
    return undefined;
  }

  #takeGathered(): Frame | undefined {
    if (this.#forget !== undefined) {
      const value = this.#forget;
      this.#forget = undefined;
      return { case: 'forget', value };
    }
    this.#isGatheredDue = false;
    if (this.#received.length + this.#unreadable.length === 0) return undefined;
    const value = { received: this.#received, unreadable: this.#unreadable };
    this.#received = [];
    this.#unreadable = [];
    return { case: 'outcome', value };
  }
}

function frame(value: Frame, envelopes: number, answers: number): NextFrame {
  return { response: create(ConnectResponseSchema, { frame: value }), envelopes, answers };
}
