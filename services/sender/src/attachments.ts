/**
 * The devices attached to a range and what was pushed to each. No envelope is queued here: what
 * does not fit into a device's window is read from its mailbox when acknowledgements make room.
 */
import type { DeviceRef } from '@chappe/proto/internal/sender_service';
import type { Store } from '@chappe/store/store';
import type { NewEnvelope, NewOutcome } from './changes.ts';
import { bytesOf, type Attached, type DeviceSink, type PushedEnvelope, type Pushing } from './device-work.ts';
import { retryMs, windowBytesMax, windowEnvelopesMax } from './limits.ts';

interface Attachment {
  readonly device: DeviceRef;
  readonly sink: DeviceSink;
  readonly incarnation: number;
  /** Of the device as well: what is acknowledged and unknown to it was acknowledged by a copy of it. */
  readonly isSameCount: boolean;
  pushedNo: number;
  /** Sizes of what is pushed and not acknowledged, oldest first. */
  inFlight: { readonly envelopeNo: number; readonly bytes: number; readonly pushedAtMs: number }[];
  inFlightBytes: number;
  /** Nothing lies in the mailbox behind `pushedNo`. */
  caughtUp: boolean;
  reading: boolean;
}

export interface AttachmentsOptions {
  readonly store: Store;
  readonly pushing: Pushing;
  readonly onProblem: (error: unknown) => void;
  /** A device's acknowledgement of an envelope is committed, so long after it was pushed. */
  readonly onAcknowledged: (afterMs: number) => void;
}

export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly #byDevice = new Map<string, Attachment>();

  constructor(options: AttachmentsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#byDevice.size;
  }

  /** Whether a connection with a higher number is attached. */
  isSuperseded(device: DeviceRef): boolean {
    const attachment = this.#byDevice.get(nameOf(device));
    return attachment !== undefined && attachment.device.connectionNo > device.connectionNo;
  }

  /** Starts to push; an older connection of the device is told to go. */
  attach(
    device: DeviceRef,
    sink: DeviceSink,
    mailbox: { incarnation: number; acknowledgedNo: number },
    { pushedNo, isSameCount }: Attached,
  ): void {
    const before = this.#byDevice.get(nameOf(device));
    if (before !== undefined && before.device.connectionNo < device.connectionNo)
      before.sink.refuse(before.device, 'superseded');
    const attachment: Attachment = {
      device,
      sink,
      incarnation: mailbox.incarnation,
      isSameCount,
      pushedNo,
      inFlight: [],
      inFlightBytes: 0,
      caughtUp: false,
      reading: false,
    };
    this.#byDevice.set(nameOf(device), attachment);
    this.#skipTo(attachment, mailbox.acknowledgedNo);
    this.#pump(attachment);
  }

  /** How far was pushed, if this connection is the attached one, and through this stream. */
  pushedNoOf(device: DeviceRef, sink: DeviceSink): number | undefined {
    const attachment = this.#byDevice.get(nameOf(device));
    const isIt = attachment?.device.connectionNo === device.connectionNo && attachment.sink === sink;
    return isIt ? attachment.pushedNo : undefined;
  }

  detach(device: DeviceRef, sink: DeviceSink): void {
    if (this.pushedNoOf(device, sink) !== undefined) this.#byDevice.delete(nameOf(device));
  }

  /** The contact has the device no more. */
  remove(contact: string, device: number): void {
    const name = `${contact}/${device}`;
    const attachment = this.#byDevice.get(name);
    attachment?.sink.refuse(attachment.device, 'unknown_device');
    this.#byDevice.delete(name);
  }

  /** All devices that came through a relay's stream which is gone. */
  ofSink(sink: DeviceSink): DeviceRef[] {
    return [...this.#byDevice.values()].filter((attachment) => attachment.sink === sink).map(({ device }) => device);
  }

  /** Tells every relay to look for the range elsewhere. */
  refuseAll(): void {
    for (const { device, sink } of this.#byDevice.values()) sink.refuse(device, 'not_owner');
    this.#byDevice.clear();
  }

  /** Pushes what a transaction has just committed. */
  pushCommitted(envelopes: readonly NewEnvelope[]): void {
    for (const [name, fresh] of Map.groupBy(envelopes, ({ contact, device }) => `${contact}/${device}`)) {
      const attachment = this.#byDevice.get(name);
      if (attachment === undefined) continue;
      const pushed: PushedEnvelope[] = [];
      let { pushedNo } = attachment;
      let bytes = 0;
      for (const envelope of fresh) {
        const continues = attachment.caughtUp && !attachment.reading && envelope.envelopeNo === pushedNo + 1;
        if (!continues || !hasCredit(attachment, pushed.length, bytes)) {
          attachment.caughtUp = false;
          break;
        }
        pushed.push({ kind: 'envelope', ...envelope });
        pushedNo = envelope.envelopeNo;
        bytes += envelope.ciphertext.length;
      }
      if (pushed.length > 0) this.#push(attachment, pushed, pushedNo);
      this.#pump(attachment);
    }
  }

  /** A device that is not attached sends again what it has heard nothing of. */
  tell(outcomes: readonly NewOutcome[]): void {
    for (const [name, ofDevice] of Map.groupBy(outcomes, ({ contact, device }) => `${contact}/${device}`)) {
      const attachment = this.#byDevice.get(name);
      attachment?.sink.outcome(attachment.device, ofDevice);
    }
  }

  /** A device's acknowledgement is committed: it may forget, and there is room in its window. */
  settled(contact: string, device: number, incarnation: number, acknowledgedNo: number): void {
    const attachment = this.#byDevice.get(`${contact}/${device}`);
    if (attachment === undefined || attachment.incarnation !== incarnation) return;
    this.#skipTo(attachment, acknowledgedNo);
    const nowMs = performance.now();
    for (;;) {
      const [oldest] = attachment.inFlight;
      if (oldest === undefined || oldest.envelopeNo > acknowledgedNo) break;
      attachment.inFlight.shift();
      attachment.inFlightBytes -= oldest.bytes;
      this.#options.onAcknowledged(nowMs - oldest.pushedAtMs);
    }
    this.#pump(attachment);
  }

  /** What the device lacks is settled and gone. One that was restored from an older state has to know. */
  #skipTo(attachment: Attachment, acknowledgedNo: number): void {
    const { pushedNo, isSameCount } = attachment;
    if (acknowledgedNo <= pushedNo) return;
    const gap = { kind: 'removed', from: pushedNo + 1, through: acknowledgedNo, acknowledged: isSameCount } as const;
    this.#push(attachment, [gap], acknowledgedNo);
  }

  #push(attachment: Attachment, envelopes: readonly PushedEnvelope[], throughNo: number): void {
    const pushedAtMs = performance.now();
    for (const envelope of envelopes) {
      const bytes = bytesOf(envelope);
      const envelopeNo = envelope.kind === 'envelope' ? envelope.envelopeNo : envelope.through;
      attachment.inFlight.push({ envelopeNo, bytes, pushedAtMs });
      attachment.inFlightBytes += bytes;
    }
    attachment.pushedNo = throughNo;
    attachment.sink.push(attachment.device, this.#options.pushing, attachment.incarnation, envelopes);
  }

  /** Reads the mailbox on credit until the window is full or nothing is left. */
  #pump(attachment: Attachment): void {
    if (attachment.caughtUp || attachment.reading || !hasCredit(attachment)) return;
    attachment.reading = true;
    this.#readMailbox(attachment).then(
      () => {
        attachment.reading = false;
        if (this.#isAttached(attachment)) this.#pump(attachment);
      },
      (error: unknown) => {
        attachment.reading = false;
        attachment.caughtUp = false;
        this.#options.onProblem(error);
        const again = (): void => {
          if (this.#isAttached(attachment)) this.#pump(attachment);
        };
        setTimeout(again, retryMs.longest).unref();
      },
    );
  }

  async #readMailbox(attachment: Attachment): Promise<void> {
    const { device, pushedNo } = attachment;
    // Reading begins: what is committed from here on is either found or makes `caughtUp` false again.
    attachment.caughtUp = true;
    const rows = await this.#options.store.query(
      `SELECT envelope_no, number, session_no, type, ciphertext FROM envelopes
       WHERE contact = ? AND device = ? AND envelope_no > ? ORDER BY envelope_no LIMIT ${windowEnvelopesMax}`,
      [device.contact, device.device, pushedNo],
    );
    if (!this.#isAttached(attachment)) return;
    const envelopes: PushedEnvelope[] = [];
    let throughNo = attachment.pushedNo;
    let bytes = 0;
    for (const row of rows) {
      const envelopeNo = Number(row['envelope_no']);
      // Settled meanwhile by another connection of the device.
      if (envelopeNo <= attachment.pushedNo) continue;
      if (!hasCredit(attachment, envelopes.length, bytes)) break;
      const ciphertext = row['ciphertext'];
      const last = envelopes.at(-1);
      throughNo = envelopeNo;
      if (ciphertext instanceof Uint8Array) {
        const [number, sessionNo, type] = [String(row['number']), Number(row['session_no']), Number(row['type'])];
        envelopes.push({ kind: 'envelope', envelopeNo, number, sessionNo, type, ciphertext });
        bytes += ciphertext.length;
      } else if (last?.kind === 'removed') {
        envelopes[envelopes.length - 1] = { ...last, through: envelopeNo };
      } else {
        envelopes.push({ kind: 'removed', from: envelopeNo, through: envelopeNo });
      }
    }
    const readAll = rows.length < windowEnvelopesMax && throughNo === Number(rows.at(-1)?.['envelope_no'] ?? throughNo);
    if (!readAll) attachment.caughtUp = false;
    if (envelopes.length > 0) this.#push(attachment, envelopes, throughNo);
  }

  #isAttached(attachment: Attachment): boolean {
    return this.#byDevice.get(nameOf(attachment.device)) === attachment;
  }
}

function nameOf(device: DeviceRef): string {
  return `${device.contact}/${device.device}`;
}

/** Whether one more may be pushed, behind so many that are about to be: beyond the bytes by one at most. */
function hasCredit({ inFlight, inFlightBytes }: Attachment, count = 0, bytes = 0): boolean {
  return inFlight.length + count < windowEnvelopesMax && inFlightBytes + bytes < windowBytesMax;
}
