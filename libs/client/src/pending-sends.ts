/**
 * What a stream still owes its callers, and what may go out next. Pure but for the clock handed in.
 *
 * ORDER: after a message was refused for a reason that passes, nothing for its contact goes out
 * until everything in flight to it is answered; then they go again from the first, in the order in
 * which they were handed over.
 */
import type { ChappeError } from '@chappe/errors/chappe-error';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { SendRequestSchema } from '@chappe/proto/v1/message_service';

export type SendRequestInit = MessageInitShape<typeof SendRequestSchema>;

export interface PendingSend {
  /** The order in which they were handed over. */
  readonly no: number;
  readonly contact: string;
  readonly request: SendRequestInit;
  readonly bytes: number;
  readonly resolve: (answer: { messageId: string }) => void;
  readonly reject: (error: ChappeError) => void;
  /** When it was first refused, if it was. */
  refusedAtMs: number | undefined;
}

interface Contact {
  inFlight: number;
  /** Nothing goes out before: set by a refusal. */
  heldUntilMs: number | undefined;
  refusals: number;
}

export class PendingSends {
  /** To go out, by `no`. */
  #waiting: PendingSend[] = [];
  /** In the order in which they went out. */
  readonly #unanswered: PendingSend[] = [];
  readonly #contacts = new Map<string, Contact>();

  get size(): number {
    return this.#waiting.length + this.#unanswered.length;
  }

  get unanswered(): number {
    return this.#unanswered.length;
  }

  add(send: PendingSend): void {
    this.#waiting.push(send);
  }

  /** The next messages that may go out, in order. */
  take(limits: { messages: number; bytes: number }, nowMs: number): PendingSend[] {
    const taken: PendingSend[] = [];
    let bytes = 0;
    const left: PendingSend[] = [];
    for (const [index, send] of this.#waiting.entries()) {
      const isFull = taken.length >= limits.messages || (taken.length > 0 && bytes + send.bytes > limits.bytes);
      if (isFull) {
        left.push(...this.#waiting.slice(index));
        break;
      }
      const contact = this.#contactOf(send.contact);
      if (isHeld(contact, nowMs)) {
        left.push(send);
        continue;
      }
      contact.heldUntilMs = undefined;
      contact.inFlight += 1;
      bytes += send.bytes;
      taken.push(send);
    }
    this.#waiting = left;
    this.#unanswered.push(...taken);
    return taken;
  }

  /** The next answer came: accepted, or refused for good. */
  answered(): PendingSend | undefined {
    const send = this.#unanswered.shift();
    if (send === undefined) return undefined;
    const contact = this.#contactOf(send.contact);
    contact.inFlight -= 1;
    if (contact.heldUntilMs === undefined) contact.refusals = 0;
    if (contact.inFlight === 0 && contact.heldUntilMs === undefined) this.#contacts.delete(send.contact);
    return send;
  }

  /** The oldest unanswered message. */
  next(): PendingSend | undefined {
    return this.#unanswered[0];
  }

  /** The next answer is a refusal that passes: it goes again. */
  refused(waitMs: (refusals: number) => number, nowMs: number): void {
    const send = this.#unanswered.shift();
    if (send === undefined) return;
    const contact = this.#contactOf(send.contact);
    contact.inFlight -= 1;
    if (contact.heldUntilMs === undefined) {
      contact.refusals += 1;
      contact.heldUntilMs = nowMs + waitMs(contact.refusals);
    }
    send.refusedAtMs ??= nowMs;
    this.#putBack([send]);
  }

  /** The stream broke: what is unanswered goes again on the next one, in order. */
  disconnected(): void {
    const lost = this.#unanswered.splice(0);
    this.#contacts.clear();
    this.#putBack(lost);
  }

  /** How long until a held contact may go on; undefined: nothing is held by time alone. */
  nextReleaseMs(nowMs: number): number | undefined {
    const times = [...this.#contacts.values()]
      .filter(({ inFlight, heldUntilMs }) => inFlight === 0 && heldUntilMs !== undefined)
      .map(({ heldUntilMs }) => Math.max(0, (heldUntilMs ?? 0) - nowMs));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  takeAll(): PendingSend[] {
    const all = [...this.#unanswered.splice(0), ...this.#waiting.splice(0)];
    this.#contacts.clear();
    return all.toSorted((a, b) => a.no - b.no);
  }

  #putBack(sends: readonly PendingSend[]): void {
    if (sends.length === 0) return;
    this.#waiting = [...sends, ...this.#waiting].toSorted((a, b) => a.no - b.no);
  }

  #contactOf(number: string): Contact {
    const known = this.#contacts.get(number);
    if (known !== undefined) return known;
    const contact: Contact = { inFlight: 0, heldUntilMs: undefined, refusals: 0 };
    this.#contacts.set(number, contact);
    return contact;
  }
}

function isHeld({ inFlight, heldUntilMs }: Contact, nowMs: number): boolean {
  return heldUntilMs !== undefined && (inFlight > 0 || nowMs < heldUntilMs);
}
