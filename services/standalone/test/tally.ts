/**
 * An independent record of a run: what was handed over, what was answered, what each device showed,
 * what events and the ledger say. It knows nothing of how Chappe works; `problems` holds the five
 * against each other, each by the name of the promise that it breaks.
 */

export type State = 'accepted' | 'sent' | 'delivered' | 'read' | 'failed' | 'expired' | 'cancelled';

export interface Submitted {
  /** The idempotency key. */
  readonly key: string;
  readonly contact: string;
  /** The business number. */
  readonly number: string;
}

interface Told {
  readonly states: State[];
}

/** The states that may directly follow one; a transition names every state that it enters. */
const next: Readonly<Record<State, readonly State[]>> = {
  accepted: ['sent', 'delivered', 'failed', 'expired', 'cancelled'],
  sent: ['delivered', 'failed', 'expired', 'cancelled'],
  delivered: ['read'],
  read: [],
  failed: [],
  expired: [],
  cancelled: [],
};

export class Tally {
  /** In the order in which they were handed over, which is that of acceptance on one stream. */
  readonly #submitted = new Map<string, Submitted & { readonly place: number }>();
  /** Message id by key, and back. */
  readonly #accepted = new Map<string, string>();
  readonly #keys = new Map<string, string>();
  readonly #refused = new Set<string>();
  readonly #shown: {
    readonly contact: string;
    readonly device: string;
    readonly number: string;
    readonly messageId: string;
  }[] = [];
  readonly #told = new Map<string, Told>();
  readonly #eventIds = new Set<string>();
  readonly #booked: string[] = [];
  readonly #replied: string[] = [];
  readonly #heard: string[] = [];
  readonly #problems: string[] = [];

  get accepted(): number {
    return this.#accepted.size;
  }

  /** Accepted or refused. */
  get answered(): number {
    return this.#accepted.size + this.#refused.size;
  }

  noteSubmitted(submitted: Submitted): void {
    this.#submitted.set(submitted.key, { ...submitted, place: this.#submitted.size });
  }

  noteAccepted(key: string, messageId: string): void {
    const before = this.#accepted.get(key);
    if (before !== undefined && before !== messageId) this.#problems.push(`ONCE: ${key} was accepted as two messages`);
    const other = this.#keys.get(messageId);
    if (other !== undefined && other !== key) this.#problems.push(`ONCE: ${messageId} was given for two keys`);
    this.#accepted.set(key, messageId);
    this.#keys.set(messageId, key);
  }

  noteRefused(key: string): void {
    this.#refused.add(key);
  }

  noteShown(contact: string, device: string, number: string, messageId: string): void {
    this.#shown.push({ contact, device, number, messageId });
  }

  noteState(eventId: string, messageId: string, state: State): void {
    if (this.#eventIds.has(eventId)) this.#problems.push(`ONCE: event ${eventId} came twice`);
    this.#eventIds.add(eventId);
    const told = this.#told.get(messageId) ?? { states: [] };
    const last = told.states.at(-1);
    const follows = last === undefined ? state === 'accepted' || state === 'failed' : next[last].includes(state);
    if (!follows) this.#problems.push(`MONOTONE: ${messageId} went from ${last ?? 'nothing'} to ${state}`);
    told.states.push(state);
    this.#told.set(messageId, told);
  }

  noteBooked(messageId: string): void {
    this.#booked.push(messageId);
  }

  /** A reply that a handset was told is in the log; one that a business received. */
  noteReplied(text: string): void {
    this.#replied.push(text);
  }

  noteHeard(text: string): void {
    this.#heard.push(text);
  }

  /** Whether everything that was accepted has ended, is booked, and every reply has come. */
  isSettled(): boolean {
    const ended = [...this.#accepted.values()].every((id) => this.#hasEnded(id));
    const delivered = [...this.#accepted.values()].filter((id) => this.#isDelivered(id)).length;
    return ended && this.#booked.length >= delivered && this.#heard.length >= this.#replied.length;
  }

  /** Empty when everything agrees. */
  problems(): readonly string[] {
    return [
      ...this.#problems,
      ...this.#losses(),
      ...this.#repeats(),
      ...this.#outOfOrder(),
      ...this.#charges(),
      ...this.#replies(),
    ];
  }

  *#losses(): Iterable<string> {
    const shown = new Set(this.#shown.map(({ messageId }) => messageId));
    for (const [key, { contact }] of this.#submitted) {
      const messageId = this.#accepted.get(key);
      if (messageId === undefined) {
        if (!this.#refused.has(key)) yield `NO-LOSS: ${key} was never answered`;
      } else if (!this.#hasEnded(messageId)) {
        yield `NO-LOSS: ${messageId} to ${contact} was accepted and is ${this.#told.get(messageId)?.states.at(-1) ?? 'nowhere'}`;
      } else if (this.#isDelivered(messageId) && !shown.has(messageId)) {
        yield `NO-LOSS: ${messageId} to ${contact} is delivered and nobody was shown it`;
      }
    }
  }

  *#repeats(): Iterable<string> {
    const seen = new Set<string>();
    for (const { device, messageId, contact, number } of this.#shown) {
      const key = this.#keys.get(messageId);
      const submitted = key === undefined ? undefined : this.#submitted.get(key);
      if (submitted === undefined) yield `ONCE: ${messageId} was shown and never accepted`;
      else if (submitted.contact !== contact || submitted.number !== number)
        yield `TENANT: ${messageId} was shown to another person`;
      if (seen.has(`${device} ${messageId}`)) yield `ONCE: ${messageId} was shown twice on ${device}`;
      seen.add(`${device} ${messageId}`);
    }
  }

  /** On each device, and for the person by the first device that shows a message. */
  *#outOfOrder(): Iterable<string> {
    const last = new Map<string, number>();
    const first = new Set<string>();
    for (const { contact, device, number, messageId } of this.#shown) {
      const place = this.#submitted.get(this.#keys.get(messageId) ?? '')?.place ?? -1;
      const lanes = [`device ${device} ${number}`, ...(first.has(messageId) ? [] : [`person ${contact} ${number}`])];
      first.add(messageId);
      for (const lane of lanes) {
        if (place < (last.get(lane) ?? -1)) yield `ORDER: ${messageId} was shown late (${lane})`;
        last.set(lane, Math.max(place, last.get(lane) ?? -1));
      }
    }
  }

  *#charges(): Iterable<string> {
    const booked = new Set<string>();
    for (const messageId of this.#booked) {
      if (booked.has(messageId)) yield `ONCE: ${messageId} was charged twice`;
      if (!this.#isDelivered(messageId)) yield `ONCE: ${messageId} was charged and not delivered`;
      booked.add(messageId);
    }
    for (const messageId of this.#accepted.values()) {
      if (this.#isDelivered(messageId) && !booked.has(messageId))
        yield `ONCE: ${messageId} was delivered and not charged`;
    }
  }

  *#replies(): Iterable<string> {
    const heard = new Set<string>();
    for (const text of this.#heard) {
      if (heard.has(text)) yield `ONCE: the reply ${text} was received twice`;
      heard.add(text);
    }
    for (const text of this.#replied)
      if (!heard.has(text)) yield `NO-LOSS: the reply ${text} was confirmed and not received`;
  }

  #hasEnded(messageId: string): boolean {
    const last = this.#told.get(messageId)?.states.at(-1);
    return last !== undefined && last !== 'accepted' && last !== 'sent';
  }

  #isDelivered(messageId: string): boolean {
    return this.#told.get(messageId)?.states.includes('delivered') ?? false;
  }
}
