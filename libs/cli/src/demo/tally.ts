/**
 * An independent record of a run: what businesses were told, what handsets showed, what events and
 * the ledger say. It knows nothing of how Chappe works; `disagreements` holds the four against each
 * other, by the names of the promises (ARCHITECTURE.md).
 *
 * Numbers are E.164 with `+`; times are milliseconds of one monotonic clock.
 */

export type FinalState = 'delivered' | 'read' | 'failed' | 'expired' | 'cancelled';
export type State = 'accepted' | 'sent' | FinalState;

export interface AcceptedMessage {
  readonly messageId: string;
  readonly business: string;
  readonly number: string;
  readonly contact: string;
  readonly atMs: number;
}

export interface ShownOnDevice {
  readonly contact: string;
  readonly device: string;
  readonly number: string;
  readonly messageId: string;
  readonly atMs: number;
}

export interface HeardEvent {
  readonly eventId: string;
  readonly business: string;
  readonly messageId: string;
  readonly state: State;
  /** With `failed`: the catalogue's code and title. */
  readonly reason?: string;
  readonly price?: Price;
}

export interface Price {
  readonly country: string;
  readonly currency: string;
  readonly micros: bigint;
}

export interface BookedEntry {
  readonly business: string;
  readonly messageId: string;
  readonly country: string;
  readonly currency: string;
  readonly micros: bigint;
}

/** What the events say of one message. */
export interface Heard {
  readonly states: State[];
  reason: string | undefined;
  price: Price | undefined;
}

const rank: Readonly<Record<State, number>> = {
  accepted: 0,
  sent: 1,
  delivered: 2,
  read: 3,
  failed: 4,
  expired: 4,
  cancelled: 4,
};

export class Tally {
  /** In the order in which they were accepted. */
  readonly accepted = new Map<string, AcceptedMessage>();
  /** Refused at the door, by reason. */
  readonly refused = new Map<string, number>();
  readonly shown: ShownOnDevice[] = [];
  readonly heard = new Map<string, Heard>();
  readonly read = new Set<string>();
  readonly booked: BookedEntry[] = [];
  /** Texts that handsets sent and the log confirmed, and texts that businesses received. */
  readonly repliesConfirmed: string[] = [];
  readonly repliesReceived: string[] = [];
  readonly #eventIds = new Set<string>();
  readonly #problems: string[] = [];

  noteAccepted(message: AcceptedMessage): void {
    if (this.accepted.has(message.messageId))
      this.#problems.push(`ONCE: message ${message.messageId} was accepted twice`);
    this.accepted.set(message.messageId, message);
  }

  noteRefused(reason: string): void {
    this.refused.set(reason, (this.refused.get(reason) ?? 0) + 1);
  }

  noteShown(shown: ShownOnDevice): void {
    this.shown.push(shown);
  }

  /** Repeats are ignored by their id, as every consumer must. */
  noteEvent({ eventId, messageId, state, reason, price }: HeardEvent): void {
    if (this.#eventIds.has(eventId)) return;
    this.#eventIds.add(eventId);
    const heard = this.heard.get(messageId) ?? { states: [], reason: undefined, price: undefined };
    const last = heard.states.at(-1);
    if (last !== undefined && rank[state] <= rank[last]) {
      this.#problems.push(`MONOTONE: message ${messageId} went from ${last} to ${state}`);
    }
    heard.states.push(state);
    heard.reason ??= reason;
    heard.price ??= price;
    this.heard.set(messageId, heard);
  }

  /** Delivered, read, failed, expired or cancelled; undefined while it waits. */
  finalState(messageId: string): FinalState | undefined {
    const last = this.heard.get(messageId)?.states.at(-1);
    return last === undefined || last === 'accepted' || last === 'sent' ? undefined : last;
  }

  isSettled(): boolean {
    return [...this.accepted.keys()].every((id) => this.finalState(id) !== undefined);
  }

  /** Empty when everything agrees. */
  disagreements(): readonly string[] {
    return [
      ...this.#problems,
      ...this.#lostOrInvented(),
      ...this.#outOfOrder(),
      ...this.#receipts(),
      ...this.#charges(),
      ...this.#replies(),
    ];
  }

  *#lostOrInvented(): Iterable<string> {
    const shownTo = new Map<string, Set<string>>();
    for (const { messageId, contact, device, number } of this.shown) {
      const message = this.accepted.get(messageId);
      if (message === undefined) yield `ONCE: a handset showed ${messageId}, which nobody was told was accepted`;
      else if (message.contact !== contact || message.number !== number)
        yield `TENANT: ${messageId} was shown to somebody else`;
      const devices = shownTo.get(messageId) ?? new Set();
      if (devices.has(device)) yield `ONCE: ${messageId} was shown twice on one device`;
      shownTo.set(messageId, devices.add(device));
    }
    for (const { messageId } of this.accepted.values()) {
      const final = this.finalState(messageId);
      const isShown = shownTo.has(messageId);
      if (final === undefined)
        yield `NO-LOSS: ${messageId} was accepted and has no end; it was ${isShown ? '' : 'not '}shown`;
      else if ((final === 'delivered' || final === 'read') !== isShown)
        yield `NO-LOSS: ${messageId} is ${final} and was ${isShown ? '' : 'not '}shown`;
    }
  }

  *#outOfOrder(): Iterable<string> {
    const places = new Map([...this.accepted.keys()].map((id, place) => [id, place]));
    const last = new Map<string, number>();
    for (const { device, number, messageId } of this.shown) {
      const lane = `${device} ${number}`;
      const place = places.get(messageId) ?? -1;
      if (place < (last.get(lane) ?? -1)) yield `ORDER: ${messageId} was shown after a message that was accepted later`;
      last.set(lane, place);
    }
  }

  *#receipts(): Iterable<string> {
    for (const messageId of this.read) {
      if (this.finalState(messageId) !== 'read') yield `a read receipt of ${messageId} was sent and is no event`;
    }
    for (const [messageId, { states }] of this.heard) {
      if (states.includes('read') && !this.read.has(messageId)) yield `${messageId} is read and nobody has read it`;
      if (!this.accepted.has(messageId)) yield `an event names ${messageId}, which nobody was told was accepted`;
    }
  }

  *#charges(): Iterable<string> {
    const booked = new Map<string, BookedEntry>();
    for (const entry of this.booked) {
      if (booked.has(entry.messageId)) yield `ONCE: ${entry.messageId} was charged twice`;
      booked.set(entry.messageId, entry);
    }
    for (const { messageId } of this.accepted.values()) {
      const entry = booked.get(messageId);
      const isDelivered = this.heard.get(messageId)?.states.includes('delivered') === true;
      const price = this.heard.get(messageId)?.price;
      if (isDelivered && entry === undefined) yield `${messageId} was delivered and is not in the ledger`;
      if (!isDelivered && entry !== undefined) yield `${messageId} was not delivered and is in the ledger`;
      if (entry !== undefined && entry.micros !== price?.micros)
        yield `${messageId} costs ${entry.micros} in the ledger and ${price?.micros} in its event`;
    }
    for (const messageId of booked.keys()) {
      if (!this.accepted.has(messageId)) yield `the ledger names ${messageId}, which nobody was told was accepted`;
    }
  }

  *#replies(): Iterable<string> {
    const sent = this.repliesConfirmed.toSorted().join('\n');
    const received = this.repliesReceived.toSorted().join('\n');
    if (sent !== received)
      yield `handsets sent ${this.repliesConfirmed.length} replies; businesses received ${this.repliesReceived.length}, or other ones`;
  }
}
