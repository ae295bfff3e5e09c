/**
 * A relay's stream to this shard: gathers what goes to its devices into frames. Nothing piles up
 * here: each device's window bounds what is pushed to it, a confirmation is one number, and what became of
 * replies is dropped beyond a bound: a device asks for it again.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CiphertextType, EnvelopeSchema } from '@chappe/proto/device/device_service';
import {
  RefusedReason,
  type AttachResponseSchema,
  type DeviceForgetSchema,
  type DeviceOutcomeSchema,
  type DevicePushSchema,
  type DeviceRef,
  type DeviceRefusedSchema,
} from '@chappe/proto/internal/sender_service';
import type { NewOutcome } from './changes.ts';
import { bytesOf, type DeviceSink, type PushedEnvelope, type Pushing } from './device-work.ts';
import { outcomesWaitingMax, pushBytesPerFrame } from './limits.ts';

type Frame = MessageInitShape<typeof AttachResponseSchema>;

const reasons = {
  not_owner: RefusedReason.NOT_OWNER,
  superseded: RefusedReason.SUPERSEDED,
  unknown_device: RefusedReason.UNKNOWN_DEVICE,
} as const;

export class RelayStream implements DeviceSink {
  readonly #send: (frame: Frame) => Promise<void>;
  #closed = false;
  #pushes: { readonly push: MessageInitShape<typeof DevicePushSchema>; readonly bytes: number }[] = [];
  #forget: MessageInitShape<typeof DeviceForgetSchema>[] = [];
  #refused: MessageInitShape<typeof DeviceRefusedSchema>[] = [];
  #outcome: MessageInitShape<typeof DeviceOutcomeSchema>[] = [];
  #outcomesWaiting = 0;
  #sending = false;

  constructor(send: (frame: Frame) => Promise<void>) {
    this.#send = send;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The stream is gone: nothing reaches its devices any more. */
  close(): void {
    this.#closed = true;
  }

  push(device: DeviceRef, { range, epoch }: Pushing, incarnation: number, envelopes: readonly PushedEnvelope[]): void {
    if (this.#closed) return;
    const bytes = envelopes.reduce((sum, envelope) => sum + bytesOf(envelope), 0);
    this.#pushes.push({
      push: { device, range, epoch: BigInt(epoch), envelopes: { incarnation, envelopes: envelopes.map(toWire) } },
      bytes,
    });
    this.#flushSoon();
  }

  forget(device: DeviceRef, incarnation: number, through: number): void {
    if (this.#closed) return;
    this.#forget.push({ device, forget: { incarnation, through: BigInt(through) } });
    this.#flushSoon();
  }

  outcome(device: DeviceRef, outcomes: readonly NewOutcome[]): void {
    if (this.#closed || this.#outcomesWaiting + outcomes.length > outcomesWaitingMax) return;
    this.#outcomesWaiting += outcomes.length;
    const received = outcomes.filter(({ outcome }) => outcome === 'received').map(({ id }) => id);
    const unreadable = outcomes.filter(({ outcome }) => outcome === 'unreadable');
    this.#outcome.push({ device, outcome: { received, unreadable } });
    this.#flushSoon();
  }

  refuse(device: DeviceRef, reason: keyof typeof reasons): void {
    if (this.#closed) return;
    this.#refused.push({ device, reason: reasons[reason] });
    this.#flushSoon();
  }

  /** What gathers in one turn of the event loop, or while a frame is on its way, goes as one frame. */
  #flushSoon(): void {
    if (this.#sending) return;
    this.#sending = true;
    setImmediate(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    while (this.#pushes.length + this.#forget.length + this.#refused.length + this.#outcome.length > 0) {
      const push = this.#takePushes();
      const frame = { push, forget: this.#forget, refused: this.#refused, outcome: this.#outcome };
      this.#forget = [];
      this.#refused = [];
      this.#outcome = [];
      this.#outcomesWaiting = 0;
      await this.#send(frame);
    }
    this.#sending = false;
  }

  /** As many as a frame takes, in order: the windows of thousands of devices may have gathered. */
  #takePushes(): MessageInitShape<typeof DevicePushSchema>[] {
    let [count, bytes] = [0, 0];
    while (count < this.#pushes.length && bytes < pushBytesPerFrame) {
      bytes += this.#pushes[count]?.bytes ?? 0;
      count += 1;
    }
    return this.#pushes.splice(0, count).map(({ push }) => push);
  }
}

function toWire(envelope: PushedEnvelope): MessageInitShape<typeof EnvelopeSchema> {
  if (envelope.kind === 'removed') {
    const { from, through, acknowledged = false } = envelope;
    return { number: BigInt(through), removedFrom: BigInt(from), acknowledged };
  }
  return {
    number: BigInt(envelope.envelopeNo),
    from: envelope.number,
    sessionNo: envelope.sessionNo,
    ciphertext: envelope.ciphertext,
    // It came from crypto as this type; the store keeps its number.
    type: envelope.type as CiphertextType,
  };
}
